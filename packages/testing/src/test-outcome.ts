import type { TestContext } from 'node:test'

/** In an `after` hook: whether the test has passed (`TestContext.passed`, which the types for Node 20 lack). */
export function hasPassed(t: TestContext): boolean {
  return 'passed' in t && t.passed === true
}
