/** How much a property is fuzzed: a little in every test run, FUZZ_TIMES as much when somebody asks for it. */
import type { TestContext } from 'node:test'

/**
 * The `numRuns` for a property of fast-check: `cases` times the environment variable FUZZ_TIMES (default 1). Says so in
 * a diagnostic, `N fuzz cases`, which scripts/test.mjs adds up.
 */
export function fuzzRuns(t: TestContext, cases: number): number {
  const numRuns = cases * Number(process.env.FUZZ_TIMES ?? 1)
  t.diagnostic(`${numRuns} fuzz cases`)
  return numRuns
}
