//! What a node says to a person who has just started it on his own machine.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

/// Says where to look, and how to sign in.
pub(crate) fn say(address: SocketAddr, data_dir: &Path) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "\nStarling runs on this machine alone, in development mode. It keeps everything in {data}.\n\n  \
         Look at     http://{address}/\n  \
         Sign in     with any phone number in international form, such as +49 151 23456789: nothing is sent, and the\n              \
         code is shown to whoever asks for it\n  \
         Or take     a token: starling token --user alice\n  \
         End it      with Ctrl-C\n",
        data = data_dir.display(),
    )
}
