/** JSON values one after the other in one buffer, each with a comma behind it: a run of them is a piece of a JSON list as it stands. */

const FIRST_BYTES = 8 * 1024
/** Bytes that one UTF-16 code unit takes at most, escaped. */
const BYTES_PER_CHAR = 6

/** What ASCII characters become, by their code. */
export interface Escapes {
  readonly texts: readonly string[]
  /** 1 for what stays as it is. */
  readonly isPlain: Uint8Array
}

const CHARS = Array.from({ length: 0x80 }, (_, code) => String.fromCharCode(code))

/** `escaped` must leave all but control characters, quotes and backslashes as they are. */
export function escapesOf(escaped: (char: string) => string): Escapes {
  return { texts: CHARS.map(escaped), isPlain: Uint8Array.from(CHARS, char => Number(escaped(char) === char)) }
}

const SPECIAL = /[\p{Cc}"\\]/gu

/** `begin` a value, write its parts, `commit` it. One that is not committed is gone with the next `begin`. */
export class JsonValues {
  #bytes = Buffer.alloc(0)
  #end = 0
  readonly #ends: number[] = []

  begin(): void {
    this.#end = this.#ends.at(-1) ?? 0
  }

  /** Bytes of the value so far. */
  get written(): number {
    return this.#end - (this.#ends.at(-1) ?? 0)
  }

  commit(): void {
    this.ascii(',')
    this.#ends.push(this.#end)
  }

  /** Removes the last value. */
  pop(): void {
    this.#ends.pop()
  }

  /** Values `from` (included) to `to` (excluded) with their commas; a view that stays valid until the next `begin`. */
  slice(from: number, to: number): Buffer {
    return this.#bytes.subarray(this.#ends[from - 1] ?? 0, this.#ends[to - 1] ?? 0)
  }

  /** Bytes of a value and its comma. */
  bytes(index: number): number {
    return (this.#ends[index] ?? 0) - (this.#ends[index - 1] ?? 0)
  }

  /** Writes a few ASCII characters as they are. */
  ascii(text: string): void {
    const { length } = text
    this.#reserve(length)
    const bytes = this.#bytes
    let end = this.#end
    for (let index = 0; index < length; index += 1) bytes[end++] = text.charCodeAt(index)
    this.#end = end
  }

  /** Writes any text, lone surrogates as U+FFFD. @returns its bytes in UTF-8, not escaped */
  text(text: string, escapes: Escapes): number {
    const { length } = text
    this.#reserve(length * BYTES_PER_CHAR)
    const bytes = this.#bytes
    const { isPlain, texts } = escapes
    let end = this.#end
    for (let index = 0; index < length; index += 1) {
      const code = text.charCodeAt(index)
      if (code > 0x7f) {
        this.#end = end
        return index + this.#beyondAscii(text.slice(index), escapes)
      }
      if (isPlain[code] === 1) {
        bytes[end++] = code
        continue
      }
      const escaped = texts[code] ?? ''
      for (let at = 0; at < escaped.length; at += 1) bytes[end++] = escaped.charCodeAt(at)
    }
    this.#end = end
    return length
  }

  #beyondAscii(text: string, { texts }: Escapes): number {
    const escaped = text.replace(SPECIAL, char => texts[char.charCodeAt(0)] ?? char)
    this.#end += this.#bytes.write(escaped, this.#end) // UTF-8 of Node has U+FFFD for a lone surrogate
    return Buffer.byteLength(text)
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes
    if (needed <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#bytes.length * 2, FIRST_BYTES))
    this.#bytes.copy(larger, 0, 0, this.#end)
    this.#bytes = larger
  }
}
