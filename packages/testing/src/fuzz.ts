/** What the fuzz tests share: how many cases a property gets, and documents that are nearly genuine. */
import type { TestContext } from 'node:test'

/**
 * The parameters for a property of fast-check: `cases` that are the same in every run, or FUZZ_TIMES as many, others each
 * time, where that environment variable is set. Says so in a diagnostic, `N fuzz cases`, which scripts/test.mjs adds up.
 */
export function fuzzing(t: TestContext, cases: number) {
  const times = process.env.FUZZ_TIMES
  const numRuns = cases * Number(times ?? 1)
  t.diagnostic(`${numRuns} fuzz cases`)
  return { numRuns, includeErrorInReport: true, ...(times === undefined && { seed: 1 }) }
}

/** Where a document is damaged; every number is taken modulo what there is to choose from. */
export interface Damage {
  /** Values that are replaced: which one, by which of `AWKWARD_JSON`. */
  readonly values: readonly (readonly [which: number, by: number])[]
  /** Bytes that are overwritten: where, by what. */
  readonly bytes: readonly (readonly [at: number, byte: number])[]
  /** How many bytes are left; null for all. */
  readonly cut: number | null
}

/** What JSON can hold and few programs expect. */
export const AWKWARD_JSON: readonly string[] = [
  ...['null', 'true', 'false', '0', '-1', '1', '1.5', '1e400', '-1e-400', '18446744073709551616', '[]', '{}'],
  ...['""', '"0"', '"\\u0000"', '"\\ud800"', '"\\u2028\\u001b[2J\\r\\nX: y"', '"../../etc/passwd"', '"<pre>a</pre>"'],
  '{"toString":1,"valueOf":2}',
  '{"__proto__":{"id":1,"status":"x"},"constructor":null,"length":3}',
  '[[1],{"a":[null]},"x"]',
  '[{"toString":1,"valueOf":2}]',
  `"${'x'.repeat(100_000)}"`,
  `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
  `[${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}]`,
]

/** `genuine` as JSON with damage done to it; often no JSON any more. */
export function damagedJson(genuine: unknown, { values, bytes, cut }: Damage): Buffer {
  const { count } = writeJson(genuine, new Map())
  const replaced = new Map(values.map(([which, by]) => [which % count, AWKWARD_JSON[by % AWKWARD_JSON.length] ?? '']))
  const document = Buffer.from(writeJson(genuine, replaced).text)
  for (const [at, byte] of bytes) document[at % document.length] = byte
  return cut === null ? document : document.subarray(0, cut % (document.length + 1))
}

/** JSON in which the values with these numbers, counted from the outside in and from the front, are other texts. */
function writeJson(genuine: unknown, replaced: ReadonlyMap<number, string>): { text: string; count: number } {
  let count = 0
  const write = (value: unknown): string => {
    const text = replaced.get(count)
    count += 1
    if (text !== undefined) return text
    if (Array.isArray(value)) return `[${value.map(write).join(', ')}]`
    if (typeof value !== 'object' || value === null) return JSON.stringify(value)
    const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${write(item)}`)
    return `{${members.join(', ')}}`
  }
  return { text: write(genuine), count }
}
