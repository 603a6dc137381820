import assert from 'node:assert/strict'
import { test } from 'node:test'
import { waitFor } from '@cuckoo-distributed/testing'
import { pino } from 'pino'
import { ReadingTime } from '../src/broker/reading-time.js'
import { Silence } from '../src/broker/silence.js'
import { Unanswered } from '../src/broker/unanswered.js'

const { signal } = new AbortController()
const turn = () => new Promise(resolve => setImmediate(resolve))

function bounded(maxBytes: number) {
  const ms = 60_000
  return new Unanswered({ readingTime: new ReadingTime(), maxBytes, quietMs: ms, patienceMs: ms, onLateAnswer() {} })
}

function silenceAfter(ms: number) {
  const lines: string[] = []
  const log = pino({}, { write: (line: string) => void lines.push(`${JSON.parse(line).msg} ${JSON.parse(line).step}`) })
  return { silence: new Silence(log, ms), lines }
}

test('a step without an answer is named once until it is answered', async () => {
  const { silence, lines } = silenceAfter(1)
  const answers: ((value: string) => void)[] = []
  const ask = () => silence.answered('asking', new Promise<string>(resolve => answers.push(resolve)))
  const [first, second] = [ask(), ask()]
  await waitFor(() => lines.length > 0, { describe: 'the first line' })
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.deepEqual(lines, ['the broker does not answer; waiting asking'])
  for (const answer of answers) answer('yes')
  assert.deepEqual(await Promise.all([first, second]), ['yes', 'yes'])
  assert.deepEqual(lines.slice(1), ['the broker answers again asking'])
  void ask()
  await waitFor(() => lines.length === 3, { describe: 'the next silence' })
})

test('a step that fails is no answer, and one that is answered in time is no news', async () => {
  const { silence, lines } = silenceAfter(5)
  await assert.rejects(silence.answered('failing', Promise.reject(new Error('no'))), /no/)
  assert.equal(await silence.answered('asking', Promise.resolve(7)), 7)
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.deepEqual(lines, [])
  silence.begin('asking')
  await assert.rejects(silence.answered('asking', Promise.reject(new Error('lost'))), /lost/)
  silence.begin('asking')
  assert.equal(lines.length, 1, 'a new connection on which it is silent again is no news')
})

test('time in which the broker reads nothing does not count, and begins anew when it reads again', async () => {
  const reading = new ReadingTime()
  let firedAt = 0
  reading.block()
  reading.after(30, () => {
    firedAt = performance.now()
  })
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.equal(firedAt, 0)
  const unblockedAt = performance.now()
  reading.unblock()
  await waitFor(() => firedAt > 0, { describe: 'the time to be over' })
  assert.ok(firedAt - unblockedAt >= 29, 'it began anew')
})

test('what was called off does not run, even after a block', async () => {
  const reading = new ReadingTime()
  let fired = 0
  const off = reading.after(5, () => fired++)
  reading.block()
  await new Promise(resolve => setTimeout(resolve, 20))
  off()
  reading.unblock()
  reading.after(20, () => fired++)
  await waitFor(() => fired > 0, { describe: 'the other one' })
  assert.equal(fired, 1)
})

test('bytes without an answer are bounded for each queue by itself', async () => {
  const unanswered = bounded(100)
  const order: string[] = []
  const take = async (name: string, queue: string, bytes: number, from = signal) => {
    const answered = await unanswered.take(queue, bytes, from)
    order.push(name)
    return answered
  }
  const first = await take('first', 'a', 60)
  const second = take('second', 'a', 41)
  const other = await take('other', 'b', 100)
  await turn()
  assert.deepEqual(order, ['first', 'other'])
  first.end(true)
  const secondAnswered = await second
  const huge = take('huge', 'a', 1000)
  await turn()
  assert.deepEqual(order, ['first', 'other', 'second'])
  secondAnswered.end(true)
  ;(await huge).end(true)
  other.end(true)
  assert.deepEqual(order, ['first', 'other', 'second', 'huge'], 'one that is larger than the bound goes alone')
})

test('who gives up waiting for bytes holds none', async () => {
  const unanswered = bounded(100)
  const answered = await unanswered.take('a', 100, signal)
  const controller = new AbortController()
  const waiting = unanswered.take('a', 1, controller.signal)
  controller.abort(new Error('HoldLimit'))
  await assert.rejects(waiting, /HoldLimit/)
  answered.end(true)
  const all = await unanswered.take('a', 100, signal)
  const more = unanswered.take('a', 1, signal)
  let got = false
  more.then(() => {
    got = true
  })
  await turn()
  assert.equal(got, false)
  all.end(true)
  await more
})
