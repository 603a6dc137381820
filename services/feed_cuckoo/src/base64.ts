// Base64 that is checked as a whole beforehand and decoded piece by piece as the bytes are asked for.
import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { InvalidMessageError } from '@cuckoo-distributed/core'
import type { Sample } from './sample.js'

/** Characters decoded at a time; a multiple of 4. A text above 128 KiB is allocated by itself, which takes five times as long. */
const PIECE = 120 * 1024
/** Characters that are checked before other work gets its turn: some 3 ms. */
const STRETCH = 8 * PIECE
/** Bytes up to which a sample is kept decoded, from its check to its upload; a larger one is decoded twice, but never held. */
const KEPT = 1024 * 1024
const ALPHABET_OF_URLS = [0x2d, 0x5f]

/**
 * The sample that `text` holds, in the standard alphabet with padding. `text` is neither copied nor changed, and must
 * not be changed while the sample is in use. `hashed` says that its MD5 will be asked for: the check has the bytes at hand.
 *
 * Rejects with InvalidMessageError for `field` when `text` is empty or not base64.
 */
export async function base64Sample(text: Buffer, field: string, { hashed }: { hashed: boolean }): Promise<Sample> {
  const size = decodedSize(text, field)
  const kept = size <= KEPT ? Buffer.allocUnsafe(size) : undefined
  const hash = hashed ? createHash('md5') : undefined
  await decodeAll(text, size, { field, kept, visit: bytes => hash?.update(bytes) })
  let digest = hash?.digest('hex')
  const open = () => decoded(text, kept)
  return {
    size,
    async md5() {
      digest ??= await md5Of(open())
      return digest
    },
    open,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

async function md5Of(pieces: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('md5')
  for await (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

interface Decoding {
  readonly field: string
  /** Where the bytes are to stay; those given to `visit` change after its return without it. */
  readonly kept: Buffer | undefined
  readonly visit: (bytes: Buffer) => void
}

/** Decodes the whole of `text`, which finds what is not base64. */
async function decodeAll(text: Buffer, size: number, { field, kept, visit }: Decoding): Promise<void> {
  const scratch = kept ?? Buffer.allocUnsafe((PIECE / 4) * 3)
  for (let from = 0; from < text.length; from += PIECE) {
    if (from > 0 && from % STRETCH === 0) await setImmediate()
    const characters = text.subarray(from, from + PIECE)
    if (ALPHABET_OF_URLS.some(byte => characters.includes(byte))) {
      throw new InvalidMessageError(field, 'is not base64 in the standard alphabet: it contains "-" or "_"')
    }
    const piece = characters.toString('latin1')
    const before = (from / 4) * 3
    const expected = Math.min((PIECE / 4) * 3, size - before)
    const at = kept ? before : 0
    // Node skips what is not base64 without a word; only the length tells.
    if (scratch.write(piece, at, 'base64') !== expected) {
      throw new InvalidMessageError(field, `is not base64 (within characters ${from} to ${from + piece.length})`)
    }
    visit(scratch.subarray(at, at + expected))
  }
}

async function* decoded(text: Buffer, kept: Buffer | undefined): AsyncGenerator<Buffer> {
  if (kept) {
    yield kept
    return
  }
  for (let from = 0; from < text.length; from += PIECE) {
    yield Buffer.from(text.toString('latin1', from, Math.min(from + PIECE, text.length)), 'base64')
  }
}

function decodedSize(text: Buffer, field: string): number {
  if (text.length === 0) throw new InvalidMessageError(field, 'is empty: CRITs has no content for this sample')
  if (text.length % 4 !== 0) {
    throw new InvalidMessageError(field, `is not base64: its ${text.length} characters are not a multiple of 4`)
  }
  const padding = text.toString('latin1', text.length - 2).replace(/[^=]/g, '').length
  return (text.length / 4) * 3 - padding
}
