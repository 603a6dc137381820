/** What CRITs tells about a sample that it has. */

import { CritsUrlError } from './errors.js'

export interface KnownSample {
  readonly id: string
  /** Empty when it has none. */
  readonly description: string
  /** Names of the sources it is filed under, as far as the user may see them. */
  readonly sources: readonly string[]
}

/**
 * The first object of a list of samples, if there is one.
 *
 * @throws CritsUrlError when the text is no such list
 */
export function readKnownSample(text: string): KnownSample | undefined {
  const objects = member(parse(text), 'objects')
  if (!Array.isArray(objects)) throw new CritsUrlError('looking for a sample', 'no list of samples')
  const [sample] = objects
  const id = member(sample, '_id')
  if (typeof id !== 'string') return undefined
  const description = member(sample, 'description')
  const sources = member(sample, 'source')
  return {
    id,
    description: typeof description === 'string' ? description : '',
    sources: (Array.isArray(sources) ? sources : [])
      .map(source => member(source, 'name'))
      .filter(name => typeof name === 'string'),
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause: unknown) {
    // The parser's message quotes the text.
    throw new CritsUrlError('looking for a sample', 'malformed JSON', cause instanceof SyntaxError ? undefined : cause)
  }
}

function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
