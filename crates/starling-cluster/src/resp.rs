//! As much of Redis' protocol as it takes to send a command and read its reply.

use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const TIMEOUT: Duration = Duration::from_secs(10);

/// What Redis answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// A status or a string.
    Text(String),
    /// A number.
    Integer(i64),
    /// A value that is not there.
    Nil,
    /// Several replies.
    List(Vec<Reply>),
}

/// Sends one command on a connection of its own. An error reply is an error.
pub(crate) async fn command(port: u16, args: &[&str]) -> Result<Reply> {
    let exchange = async {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
        let mut request = format!("*{}\r\n", args.len());
        for arg in args {
            request.push_str(&format!("${}\r\n{arg}\r\n", arg.len()));
        }
        stream.write_all(request.as_bytes()).await?;
        read_reply(&mut stream).await
    };
    timeout(TIMEOUT, exchange)
        .await
        .map_err(|_| anyhow!("Redis did not answer within {TIMEOUT:?}"))?
}

async fn read_reply(stream: &mut BufReader<TcpStream>) -> Result<Reply> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let Some(line) = line.strip_suffix("\r\n") else {
        bail!("Redis closed the connection")
    };
    let (kind, rest) = line
        .split_at_checked(1)
        .ok_or_else(|| anyhow!("Redis sent an empty line"))?;
    match kind {
        "+" => Ok(Reply::Text(rest.to_owned())),
        "-" => bail!("Redis: {rest}"),
        ":" => Ok(Reply::Integer(rest.parse()?)),
        "$" | "*" if rest == "-1" => Ok(Reply::Nil),
        "$" => {
            let length: usize = rest.parse()?;
            let mut bytes = vec![0; length + 2];
            stream.read_exact(&mut bytes).await?;
            bytes.truncate(length);
            Ok(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
        }
        "*" => {
            let mut items = Vec::new();
            for _ in 0..rest.parse::<usize>()? {
                items.push(Box::pin(read_reply(stream)).await?);
            }
            Ok(Reply::List(items))
        }
        _ => bail!("Redis sent an unknown kind of reply: {line}"),
    }
}
