/** What somebody wrote: text and nothing but text, whatever it holds. Only addresses of the web become links. */

const ADDRESS = /https?:\/\/[^\s<>"]+[^\s<>"'.,;:!?)\]}]/g;
const FEW_EMOJI = /^(?:\p{Extended_Pictographic}|\p{Emoji_Component}){1,12}$/u;
const HAS_PICTURE = /\p{Extended_Pictographic}/u;

export function Text({ text }: { text: string }) {
  const isLarge = FEW_EMOJI.test(text) && HAS_PICTURE.test(text);
  return <span class={isLarge ? "text is-large" : "text"}>{parts(text)}</span>;
}

function parts(text: string) {
  const found = [];
  let from = 0;
  for (const { 0: address, index } of text.matchAll(ADDRESS)) {
    found.push(
      text.slice(from, index),
      <a href={address} target="_blank" rel="noopener noreferrer nofollow">
        {address}
      </a>,
    );
    from = index + address.length;
  }
  found.push(text.slice(from));
  return found;
}
