import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Logger } from '@cuckoo-distributed/core'
import { DirectoryAwayError } from '../src/files/shared-directory.js'
import { StoreLostError } from '../src/store/errors.js'
import { TroubleLog } from '../src/trouble-log.js'

/** As much of a logger as is used here. */
function logger(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const error = ({ err }: { err: Error }) => lines.push(err.message)
  return { log: Object.assign(Object.create(null), { error }), lines }
}

test('what fails again and again is said once for each cause, whatever the numbers and names in it', () => {
  const { log, lines } = logger()
  const trouble = new TroubleLog(log)
  for (let i = 0; i < 1000; i += 1) trouble.failed(new Error(`ENOSPC: write '/reports/${i}/report.json'`), 'x')
  assert.equal(lines.length, 1)
  trouble.failed(new Error('EIO: read'), 'x')
  trouble.failed(new Error('EIO: read'), 'x')
  assert.equal(lines.length, 2)
  trouble.worked()
  trouble.failed(new Error('EIO: read'), 'x')
  assert.equal(lines.length, 3)
})

test('an outage of the database or of a directory is not said again by those who meet it', () => {
  const { log, lines } = logger()
  const trouble = new TroubleLog(log)
  trouble.failed(new StoreLostError('away', { isDoubtful: false }), 'x')
  trouble.failed(new DirectoryAwayError('DIRECTORY_AWAY', 'away'), 'x')
  assert.deepEqual(lines, [])
})
