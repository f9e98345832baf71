// Tokens as labels, as src/seqweave/inspection/labels.py shows them.

const INITIALS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ";
const FINALS = "ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ";

function letterOf(character: string): string {
  const code = character.codePointAt(0)!;
  if (code >= 0x1100 && code <= 0x1112) return INITIALS[code - 0x1100];
  if (code >= 0x1161 && code <= 0x1175) return String.fromCodePoint(0x314f + code - 0x1161);
  if (code >= 0x11a8 && code <= 0x11c2) return FINALS[code - 0x11a8];
  return character;
}

/**
 * A token to be shown alone: blanks and controls made visible, a lone conjoining jamo as its letter, a combining mark
 * with nothing before it on a dotted circle.
 */
export function labelOf(token: string): string {
  if (!token) return "∅";
  const characters = [...token];
  if (/^\p{Cf}+$/u.test(token)) return "?".repeat(characters.length); // zero width, all of it
  const shown = characters.length === 1 ? letterOf(characters[0]) : token;
  const circle = /^\p{M}/u.test(shown) ? "◌" : "";
  return circle + [...shown]
    .map((one) => (/\s/u.test(one) ? "␣" : /[\p{Cc}\p{Cs}\p{Bidi_Control}]/u.test(one) ? "?" : one))
    .join("");
}

/** A label of at most `most` characters. */
export function shortLabel(token: string, most: number): string {
  const characters = [...labelOf(token)];
  return characters.length <= most ? characters.join("") : `${characters.slice(0, Math.max(1, most - 1)).join("")}…`;
}

/** Whether a text runs from right to left, by its first strong character. */
export function isRightToLeft(text: string): boolean {
  const strong = /\p{L}/u.exec(text);
  return strong !== null && /[\p{Script=Arabic}\p{Script=Hebrew}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u.test(strong[0]);
}
