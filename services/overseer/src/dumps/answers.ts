// What an overseer tells others of its dumps: never a key or a sample, and never more than a broker passes on.
import Type, { type Static } from 'typebox'
import { placeOf } from '../journal/journal.js'
import { type DumpsCall, decoder, MOST_NAMES, SENDER } from '../journal/questions.js'
import { Resubmissions } from '../resubmissions.js'
import { MarkFile } from '../sending-mark.js'
import { type Dump, listDumps } from './envelope.js'
import { dumpsLike, selectDumps } from './select.js'
import { detailsOf, inWords } from './show.js'

/** RabbitMQ 4 takes messages of 16 MiB as it comes. */
const MOST_BYTES = 4 * 1024 * 1024

const DumpWire = Type.Object({
  name: Type.String(),
  file: Type.String(),
  bytes: Type.Number(),
  at: Type.Number({ minimum: 0, maximum: 8.64e15 }),
  failed: Type.Optional(
    Type.Object({
      service: Type.String(),
      queue: Type.String(),
      code: Type.String(),
      error: Type.String(),
      attempts: Type.Optional(Type.Number()),
      history: Type.Array(Type.Object({ at: Type.String(), service: Type.String(), error: Type.String() })),
      resubmissions: Type.Optional(Resubmissions),
    }),
  ),
  sending: Type.Optional(MarkFile),
})

const DumpsWire = Type.Object({
  ...SENDER,
  /** Host and DumpDir. */
  dumpDir: Type.String(),
  /** Oldest first. */
  dumps: Type.Array(DumpWire),
  /** Older ones that have no room in the answer. */
  more: Type.Number(),
})

const DumpWithNameWire = Type.Object({
  ...SENDER,
  dumpDir: Type.String(),
  /** Of dumps that may be meant. */
  names: Type.Array(Type.String()),
  /** Of the one that is meant: for a terminal, and as `dumps show --json` has it. */
  words: Type.Array(Type.String()),
  details: Type.Unknown(),
})
export type DumpWithName = Static<typeof DumpWithNameWire>

const decodeWire = decoder(DumpsWire)
export const decodeDumpWithName = decoder(DumpWithNameWire)

export interface DumpsAnswer extends Omit<Static<typeof DumpsWire>, 'dumps'> {
  readonly dumps: readonly Dump[]
}

/** As `decoder`; what was undefined is so again. */
export function decodeDumps(body: Buffer): DumpsAnswer | undefined {
  const answer = decodeWire(body)
  if (answer === undefined) return undefined
  const dumps = answer.dumps.map(({ failed, sending, ...dump }): Dump => {
    const { attempts, resubmissions } = failed ?? {}
    return { ...dump, sending, failed: failed && { ...failed, attempts, resubmissions } }
  })
  return { ...answer, dumps }
}

/** Without what all answers have. Throws the errors of the file system. */
export async function answerAboutDumps(dir: string, call: DumpsCall): Promise<object> {
  const dumpDir = placeOf(dir)
  if (call.kind === 'dumps') return { dumpDir, ...newest(await selectDumps(dir, call.filters)) }
  const all = await listDumps(dir)
  const found = [...new Set(call.names.flatMap(name => dumpsLike(all, name)))]
  const names = found.slice(0, MOST_NAMES).map(({ name }) => name)
  const [dump] = found
  if (dump === undefined || found.length > 1) return { dumpDir, names, words: [], details: null }
  const details = await detailsOf(dir, dump)
  // Indented, a message can be far larger than it is.
  const isLarge = (details.message?.length ?? 0) > MOST_BYTES / 8
  const shown = isLarge ? { ...details, message: 'too large to be sent: `dumps show` on that host has it' } : details
  return { dumpDir, names, words: inWords(shown), details: shown }
}

function newest(dumps: readonly Dump[]): { readonly dumps: readonly Dump[]; readonly more: number } {
  let left = MOST_BYTES
  let from = dumps.length
  while (from > 0) {
    left -= Buffer.byteLength(JSON.stringify(dumps[from - 1]))
    if (left < 0) break
    from -= 1
  }
  return { dumps: dumps.slice(from), more: from }
}
