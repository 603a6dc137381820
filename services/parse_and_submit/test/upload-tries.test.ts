import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSharedCause } from '@cuckoo-distributed/core'
import { CritsStatusError } from '@cuckoo-distributed/crits-client'
import { NO_PROGRESS, type Progress, type UploadTry } from '../src/notes.js'
import { dueAt, failed, isDue, settled } from '../src/upload-tries.js'

const NOW = 100_000
const gateway = new Error('504')
const ownFault = new CritsStatusError('POST /samples/', 500, false, '')

function progressWith(tries: readonly UploadTry[], uploadsWork = false): Progress {
  return { queue: 'q', digest: 'd', ...NO_PROGRESS, rows: 7, tries, uploadsWork }
}

const tried = (file: number, count = 1): UploadTry => ({ file, count, at: NOW - 1000 })
const refusedByAll = () => assert.fail('it is not refused by all')

test('a file is due after the pause, to the millisecond; at once if its failure did not count and uploads work', () => {
  const cases = [
    [1, false, 1500],
    [1, true, 1500],
    [0, false, 1500],
    [0, true, 1000],
  ] as const
  for (const [count, uploadsWork, due] of cases) {
    const progress = progressWith([{ file: 2, count, at: 1000 }], uploadsWork)
    assert.equal(dueAt(progress, { file: 2, count, at: 1000 }, 500), due)
    assert.deepEqual(
      [due - 1, due].map(now => isDue(progress, 2, 500, now)),
      [false, true],
    )
    assert.equal(isDue(progress, 1, 500, 0), true, 'a file that was never tried')
  }
})

test('a file is refused at its third failure, and is no longer waited for', () => {
  const first = failed(progressWith([]), 2, gateway, NOW, refusedByAll)
  assert.deepEqual(first, { kind: 'again', progress: progressWith([{ file: 2, count: 1, at: NOW }]) })
  const second = failed(first.progress, 2, gateway, NOW + 5, refusedByAll)
  assert.deepEqual(second, { kind: 'again', progress: progressWith([{ file: 2, count: 2, at: NOW + 5 }]) })
  assert.deepEqual(failed(second.progress, 2, gateway, NOW, refusedByAll), {
    kind: 'refused',
    progress: progressWith([]),
  })
})

test('a file at which CRITs itself fails is refused at once where uploads work, and else tried again', () => {
  const others = [tried(1)]
  const works = progressWith(others, true)
  assert.deepEqual(failed(works, 2, ownFault, NOW, refusedByAll), { kind: 'refused', progress: works })
  assert.equal(failed(works, 2, gateway, NOW, refusedByAll).kind, 'again')
  assert.equal(failed(progressWith([]), 2, ownFault, NOW, refusedByAll).kind, 'again')
})

/** What is kept when every upload is refused. */
function keptOf(progress: Progress, file: number): Progress {
  let kept: Progress | undefined
  const refusing = () =>
    failed(progress, file, gateway, NOW, given => {
      kept = given
    })
  assert.throws(refusing, (error: Error) => isSharedCause(error) && error.cause === gateway)
  return kept ?? assert.fail('no progress')
}

test('when a second file fails and none was taken since, it is not the files: no try counts', () => {
  const kept = keptOf(progressWith([tried(1, 2), tried(2)]), 2)
  assert.deepEqual(
    kept,
    progressWith([
      { ...tried(1), count: 0 },
      { file: 2, count: 0, at: NOW },
    ]),
  )
})

test('fifty files are waited for beside one another; the next failure is that of all, and the progress stays short', () => {
  const waiting = (count: number) => Array.from({ length: count }, (_, file) => tried(file + 1))
  assert.equal(failed(progressWith(waiting(49), true), 99, gateway, NOW, refusedByAll).kind, 'again')
  assert.deepEqual(
    keptOf(progressWith(waiting(60), true), 99).tries.map(({ file }) => file),
    [...waiting(60).slice(10), tried(99)].map(({ file }) => file),
  )
  assert.equal(keptOf(progressWith(waiting(50), true), 99).tries.length, 51)
})

test('a file that was taken is waited for no longer, and shows that uploads work while others are', () => {
  const both = progressWith([tried(1), tried(2)])
  assert.deepEqual(settled(both, 2, true), progressWith([tried(1)], true))
  assert.deepEqual(settled(both, 2, false), progressWith([tried(1)], false), 'CRITs had it: nothing was sent')
  assert.deepEqual(settled({ ...both, uploadsWork: true }, 2, false), progressWith([tried(1)], true))
  assert.deepEqual(settled(progressWith([tried(2)], true), 2, true), progressWith([], false))
})
