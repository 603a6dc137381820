/** The client of the documentation's examples. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface CurlAnswer {
  readonly status: number
  readonly type: string
  readonly text: string
  /** The text as JSON; undefined when it is none. */
  readonly json: unknown
}

/** Runs curl with these arguments and resolves with what it got. Rejects when curl fails, or is not installed. */
export async function curl(...args: readonly string[]): Promise<CurlAnswer> {
  const report = '\n%{http_code} %{content_type}'
  const { stdout } = await promisify(execFile)('curl', ['-sS', '--max-time', '30', '-w', report, ...args])
  const [, text = '', status = '', type = ''] = /^(.*)\n(\d+) (.*)$/s.exec(stdout) ?? []
  return { status: Number(status), type, text, json: parse(text) }
}

/** The member at this path of an answer, e.g. `['tasks', '1', 'status']`. */
export function member(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, name) => {
    assert(typeof inner === 'object' && inner !== null, `there is no ${name} in ${JSON.stringify(value)}`)
    return Object.entries(inner).find(([key]) => key === String(name))?.[1]
  }, value)
}

/** The answer is an error with this status, as JSON that says so itself, whose message matches. */
export function refused({ status, json, text, type }: CurlAnswer, expected: number, message: RegExp = /./): void {
  assert.equal(status, expected, text)
  assert.match(type, /^application\/json/)
  assert.equal(member(json, 'status'), expected)
  assert.match(String(member(json, 'message')), message)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
