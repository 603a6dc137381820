/** Collects bits, most significant first. */
export class BitWriter {
  #bytes = Buffer.allocUnsafe(4096)
  #length = 0
  #partial = 0
  #partialBits = 0
  #total = 0

  /** Bits written since the start. */
  get bitLength(): number {
    return this.#total
  }

  /** Writes the `count` (at most 24) lowest bits of `value`. */
  bits(count: number, value: number): void {
    this.#reserve(4)
    let held = this.#partialBits + count
    let bits = (this.#partial << count) | value
    this.#total += count
    for (; held >= 8; held -= 8) this.#bytes[this.#length++] = (bits >>> (held - 8)) & 0xff
    bits &= (1 << held) - 1
    this.#partial = bits
    this.#partialBits = held
  }

  /** Writes the first `bitLength` bits of `source`. */
  append(source: Buffer, bitLength: number): void {
    const whole = bitLength >> 3
    this.#reserve(whole + 4)
    const shift = this.#partialBits
    if (shift === 0) source.copy(this.#bytes, this.#length, 0, whole)
    else {
      let partial = this.#partial
      for (let i = 0; i < whole; i++) {
        const byte = source[i] ?? 0
        this.#bytes[this.#length + i] = (partial << (8 - shift)) | (byte >> shift)
        partial = byte & ((1 << shift) - 1)
      }
      this.#partial = partial
    }
    this.#length += whole
    this.#total += whole * 8
    const rest = bitLength & 7
    if (rest > 0) this.bits(rest, (source[whole] ?? 0) >> (8 - rest))
  }

  /** Hands over the bytes that are complete and keeps the bits that are not. */
  takeWhole(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length))
    this.#length = 0
    return taken
  }

  /** Hands over everything, the last byte filled up with zero bits. */
  take(): Buffer {
    if (this.#partialBits > 0) {
      this.#reserve(1)
      this.#bytes[this.#length++] = this.#partial << (8 - this.#partialBits)
      this.#partial = 0
      this.#partialBits = 0
    }
    return this.takeWhole()
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe((this.#length + count) * 2)
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}
