// The baseline `stream-json`, which assembles the wanted values only.
import chain from 'stream-chain'
import { parser } from 'stream-json'
import { pick } from 'stream-json/filters/pick.js'
import { streamValues } from 'stream-json/streamers/stream-values.js'
import { request } from 'undici'
import { MAX_CALLS } from './max-calls.js'

export async function streamJson(url: string): Promise<number> {
  const { body } = await request(url)
  let [values, calls] = [0, 0]
  const isWanted = (stack: readonly (string | number | null)[]): boolean => {
    const [first, second, , fourth] = stack
    if (stack.length === 1) return first === 'info'
    if (stack.length === 2)
      return first === 'signatures' || (first === 'target' && second === 'file') || second === 'summary'
    return stack.length === 5 && second === 'processes' && fourth === 'calls' && calls++ < MAX_CALLS
  }
  const tokens = chain([body, parser({ streamValues: false }), pick({ filter: isWanted }), streamValues()])
  for await (const _ of tokens) values++
  return values
}
