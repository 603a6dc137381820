// JSON texts that people may have edited: a byte order mark is no fault, and a fault has a place.
import { parse } from '@humanwhocodes/momoa'
import { ServiceError, toError } from './errors.js'

/** A text is not JSON. Shows none of it: it may hold a sample or a password. */
export class JsonError extends ServiceError {
  constructor(place: string) {
    super('NOT_JSON', `is not JSON${place}`)
  }
}

/** The second parser, which knows places, makes a tree of what it reads. */
const LARGEST_TO_LOOK_INTO = 1024 * 1024

/** Throws JsonError. */
export function parseJsonText(text: string): unknown {
  const json = text.startsWith('\ufeff') ? text.slice(1) : text
  try {
    return JSON.parse(json)
  } catch (thrown: unknown) {
    throw new JsonError(placeOf(json, toError(thrown).message))
  }
}

/** V8 tells the place of some faults only. */
function placeOf(text: string, message: string): string {
  const position = /position (\d+)/.exec(message)?.[1]
  if (position === undefined) return placeByParser(text)
  const lines = text.slice(0, Number(position)).split('\n')
  return see(lines.length, (lines.at(-1)?.length ?? 0) + 1)
}

function placeByParser(text: string): string {
  if (text.length > LARGEST_TO_LOOK_INTO) return ''
  try {
    parse(text)
    return ''
  } catch (thrown: unknown) {
    const error = toError(thrown)
    // A RangeError of very deep nesting has no place.
    return 'line' in error && 'column' in error ? see(Number(error.line), Number(error.column)) : ''
  }
}

function see(line: number, column: number): string {
  return `: see line ${line}, column ${column}`
}
