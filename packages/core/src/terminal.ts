// What commands say on standard output. Texts in dumps come from anywhere: none may move the cursor or turn the direction of writing.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** One line. */
export function say(line: string): void {
  process.stdout.write(`${printable(line)}\n`)
}

/** One JSON document; what is not printable is there as escapes. */
export function sayJson(value: unknown): void {
  const text = JSON.stringify(value, null, 2)
  process.stdout.write(`${text.replaceAll(/[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/gu, escaped)}\n`)
}

export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, '\ufffd')
}

function escaped(character: string): string {
  return [...Array(character.length).keys()]
    .map(i => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`)
    .join('')
}

/** `1 dump`, `2 dumps`. */
export function counted(count: number, one: string, several = `${one}s`): string {
  return `${count} ${count === 1 ? one : several}`
}

/** UTC, to the second. */
export function timeOf(ms: number): string {
  return new Date(ms).toISOString().replace('T', ' ').slice(0, 19)
}
