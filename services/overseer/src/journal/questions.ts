// What overseers and the command `where` say to each other, through one exchange that every overseer listens to.
import { parseJson, validator } from '@cuckoo-distributed/core'
import Type, { type Static, type TSchema } from 'typebox'
import { MetaWire } from './ranges.js'

const KeyWire = Type.Union([
  Type.Object({ analysis: Type.String() }),
  Type.Object({ md5: Type.String() }),
  Type.Object({ task: Type.Number() }),
])

/** To all overseers: one is `here` (and wants to hear who else is), one is `gone` for now, or somebody has a question. */
const CallWire = Type.Union([
  Type.Object({ kind: Type.Literal('here'), place: Type.String(), isNew: Type.Boolean() }),
  Type.Object({ kind: Type.Literal('gone'), place: Type.String() }),
  Type.Object({ kind: Type.Literal('question'), keys: Type.Array(KeyWire, { maxItems: 500 }) }),
])
export type Call = Readonly<Static<typeof CallWire>>

const AnswerWire = Type.Object({
  /** Host and directory of a journal. */
  place: Type.String(),
  host: Type.String(),
  /** Other places that the overseer has heard of and that have not said farewell. */
  others: Type.Array(Type.String()),
  /** As the journal has them; whoever reads them checks them. */
  events: Type.Array(Type.Unknown()),
  isCut: Type.Boolean(),
  meta: MetaWire,
  /** When the journal begins, in milliseconds since 1970. */
  begin: Type.Optional(Type.Number()),
  /** Samples that are under way. */
  open: Type.Object({
    count: Type.Number(),
    oldest: Type.Optional(Type.Object({ analysis: Type.String(), since: Type.Number() })),
  }),
})
export type Answer = Readonly<Static<typeof AnswerWire>>

export const decodeCall = decoder(CallWire)
export const decodeAnswer = decoder(AnswerWire)

/** Undefined for anything else: others may publish what they like. */
function decoder<S extends TSchema>(schema: S): (body: Buffer) => Static<S> | undefined {
  const isValid = validator(schema)
  return body => {
    try {
      const value = parseJson(body)
      return isValid(value) ? value : undefined
    } catch {
      return undefined
    }
  }
}
