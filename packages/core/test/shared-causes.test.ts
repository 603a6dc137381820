import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pino } from 'pino'
import { SharedCauses } from '../src/broker/shared-causes.js'

const refused = (code = 'CRITS_AUTH') => Object.assign(new Error('401'), { code, sharedCause: true })
const waiting = { code: 'CRITS_AUTH', since: 1, tries: 3 }

function scene() {
  const lines: string[] = []
  const log = pino({}, { write: (line: string) => lines.push(line) })
  const clock = { ms: 0 }
  const causes = new SharedCauses(() => clock.ms)
  const fail = (error: Error, cause?: typeof waiting) => causes.failed({ headers: { attempts: 0, cause }, log }, error)
  const pass = (cause?: typeof waiting) => causes.passed({ headers: { attempts: 0, cause }, log })
  const told = () =>
    lines.splice(0).map(line => `${pino.levels.labels[JSON.parse(line).level]}: ${JSON.parse(line).msg}`)
  /** What the next lines say of how often it was tried. */
  const counts = () =>
    lines.splice(0).map(line => {
      const { attempts, tries } = JSON.parse(line)
      return { attempts, tries }
    })
  return { fail, pass, told, counts, clock }
}

const BEGUN = 'error: failed with a shared cause; its messages are retried until it is fixed'
const AGAIN = 'info: failed with a shared cause'
const OVER = 'info: a shared cause is fixed'

test('a cause that many messages share is one error, and its end one line', () => {
  const { fail, pass, told } = scene()
  for (let i = 0; i < 3; i += 1) fail(refused())
  fail(refused(), waiting)
  pass()
  assert.deepEqual(told(), [BEGUN, AGAIN, AGAIN, AGAIN], 'a message that never met the cause says nothing about it')
  pass(waiting)
  pass(waiting)
  assert.deepEqual(told(), [OVER])
  fail(refused(), waiting)
  assert.deepEqual(told(), [BEGUN])
})

test('another failure of a message that waited ends its cause', () => {
  const { fail, told } = scene()
  fail(refused())
  fail(refused('CRITS_URL'), waiting)
  assert.deepEqual(told(), [BEGUN, OVER, BEGUN])
  fail(new Error('other'), { ...waiting, code: 'CRITS_URL' })
  assert.deepEqual(told(), [OVER, 'warn: failed; the message goes to FailedQueue'])
})

test('a cause that was met up to half an hour ago is known, one met before is news', () => {
  const { fail, told, clock } = scene()
  for (const ms of [0, 1_800_000, 3_600_001]) {
    clock.ms = ms
    fail(refused())
  }
  assert.deepEqual(told(), [BEGUN, AGAIN, BEGUN])
})

test('how often a message was tried is told with this failure', () => {
  const { fail, counts } = scene()
  fail(new Error('other'))
  fail(refused())
  fail(refused())
  fail(refused(), waiting)
  assert.deepEqual(counts(), [
    { attempts: 1, tries: undefined },
    { attempts: undefined, tries: undefined },
    { attempts: undefined, tries: 1 },
    { attempts: undefined, tries: 4 },
  ])
})
