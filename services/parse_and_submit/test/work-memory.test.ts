// Which work is known as a repeat, and for how long.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fakeClock } from '@cuckoo-distributed/testing'
import { Repeats, type Work } from '../src/repeats.js'

const HOUR = 3_600_000

function begin(repeats: Repeats, key = 'a'): Work {
  const work = repeats.begin(key)
  return typeof work === 'object' && 'carriedOut' in work ? work : assert.fail(`${key} is not begun`)
}

function stateOf(repeats: Repeats, key = 'a'): 'new' | 'in work' | 'carried out' {
  const found = repeats.begin(key)
  if (found === 'carried-out') return 'carried out'
  if ('ended' in found) return 'in work'
  found.left(false)
  return 'new'
}

test('what was carried out is known for an hour', async t => {
  const clock = fakeClock(t)
  const repeats = new Repeats()
  begin(repeats).carriedOut()
  await clock.pass(HOUR - 1)
  assert.equal(stateOf(repeats), 'carried out')
  await clock.pass(1)
  assert.equal(stateOf(repeats), 'new')
})

test('of more than 10,000 the oldest is forgotten', () => {
  const repeats = new Repeats()
  for (let n = 0; n < 10_000; n += 1) begin(repeats, `${n}`).carriedOut()
  assert.equal(stateOf(repeats, '0'), 'carried out')
  begin(repeats, 'one more').carriedOut()
  assert.deepEqual(
    ['0', '1', 'one more'].map(key => stateOf(repeats, key)),
    ['new', 'carried out', 'carried out'],
  )
})

test('what was left may be begun at once, or after a minute where its outcome may still be undone', async t => {
  const clock = fakeClock(t)
  const repeats = new Repeats()
  begin(repeats).left(false)
  assert.equal(stateOf(repeats), 'new')
  begin(repeats).left(true)
  const copy = repeats.begin('a')
  let ended = false
  assert.ok(typeof copy === 'object' && 'ended' in copy)
  void copy.ended.then(() => {
    ended = true
  })
  await clock.pass(59_999)
  assert.deepEqual([stateOf(repeats), ended], ['in work', false])
  await clock.pass(1)
  assert.deepEqual([stateOf(repeats), ended], ['new', true])
})

test('the end of what was begun before is not that of what is in work now', async t => {
  const clock = fakeClock(t)
  const repeats = new Repeats()
  const first = begin(repeats)
  first.left(true)
  first.left(false)
  begin(repeats)
  await clock.pass(60_000)
  assert.equal(stateOf(repeats), 'in work')
})

test('what is carried out a second time keeps nothing older from being forgotten', async t => {
  const clock = fakeClock(t)
  const repeats = new Repeats()
  const first = begin(repeats)
  first.left(false)
  begin(repeats).carriedOut()
  begin(repeats, 'b').carriedOut()
  await clock.pass(1000)
  first.carriedOut()
  await clock.pass(HOUR - 1000)
  assert.deepEqual(
    ['a', 'b'].map(key => stateOf(repeats, key)),
    ['carried out', 'new'],
  )
})
