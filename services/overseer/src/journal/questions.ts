// What overseers and commands say to each other, through one exchange that every overseer listens to.
import { parseJson, ROOM, validator } from '@cuckoo-distributed/core'
import Type, { type Static, type TSchema } from 'typebox'
import { MetaWire } from './ranges.js'

/** Of dumps that are asked for at a time. */
export const MOST_NAMES = 100

const KeyWire = Type.Union([
  Type.Object({ analysis: Type.String() }),
  Type.Object({ md5: Type.String() }),
  Type.Object({ task: Type.Number() }),
])

// JSON leaves out what is undefined.
const FilterText = Type.Optional(Type.Unsafe<string | undefined>({ type: 'string', maxLength: 1000 }))
const FilterAge = Type.Optional(Type.Unsafe<number | undefined>({ type: 'number' }))
const FiltersWire = Type.Object({
  service: FilterText,
  queue: FilterText,
  code: FilterText,
  minAgeMs: FilterAge,
  maxAgeMs: FilterAge,
  analysis: FilterText,
  text: FilterText,
})

/** To all overseers: one is `here` (and wants to hear who else is), one is `gone` for now, or somebody has a question. */
const CallWire = Type.Union([
  Type.Object({ kind: Type.Literal('here'), place: Type.String(), isNew: Type.Boolean() }),
  Type.Object({ kind: Type.Literal('gone'), place: Type.String() }),
  Type.Object({ kind: Type.Literal('question'), keys: Type.Array(KeyWire, { maxItems: 500 }) }),
  Type.Object({ kind: Type.Literal('dumps'), filters: FiltersWire }),
  Type.Object({
    kind: Type.Literal('dump'),
    names: Type.Array(Type.String({ maxLength: 200 }), { maxItems: MOST_NAMES }),
  }),
])
export type Call = Readonly<Static<typeof CallWire>>
export type DumpsCall = Extract<Call, { kind: 'dumps' | 'dump' }>

/** In every answer. */
export const SENDER = {
  /** Host and directory of a journal. */
  place: Type.String(),
  host: Type.String(),
  /** Other places that the overseer has heard of and that have not said farewell. */
  others: Type.Array(Type.String()),
}
export type Sender = { readonly [K in keyof typeof SENDER]: Static<(typeof SENDER)[K]> }

const AnswerWire = Type.Object({
  ...SENDER,
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
    /** Where they are; an older overseer does not tell. */
    places: Type.Optional(
      Type.Array(
        Type.Object({
          service: Type.String(),
          event: Type.String(),
          for: Type.Optional(Type.String()),
          sandbox: Type.Optional(Type.String()),
          code: Type.Optional(Type.String()),
          count: Type.Number(),
        }),
      ),
    ),
  }),
  /** Of sandboxes; an older overseer does not tell. */
  rooms: Type.Optional(
    Type.Array(
      Type.Object({
        sandbox: Type.String(),
        instance: Type.String(),
        at: Type.Number(),
        ...ROOM,
      }),
    ),
  ),
})
export type Answer = Readonly<Static<typeof AnswerWire>>

export const decodeCall = decoder(CallWire)
export const decodeAnswer = decoder(AnswerWire)

/** Undefined for anything else: others may publish what they like. */
export function decoder<S extends TSchema>(schema: S): (body: Buffer) => Static<S> | undefined {
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
