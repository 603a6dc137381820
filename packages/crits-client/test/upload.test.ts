import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NetworkError, StatusError } from '@cuckoo-distributed/http'
import { isTooLarge, mayBeTooLarge, pcapBody, refusedUnasked } from '../src/upload.js'

const LIMIT = 2_621_440
const request = { method: 'POST', url: 'http://crits.example/' }
const answer = (status: number) => ({ status, retryAfterMs: undefined, location: undefined, excerpt: '' })

/** An upload of which the whole request has so many bytes. */
function uploadOf(bytes: number) {
  const md5 = 'a'.repeat(32)
  const file = (size: number) => ({ name: 'a', md5, size, open: () => assert.fail('nothing is read') })
  const frame = pcapBody(file(1), 'Internal').contentLength - 1
  const upload = pcapBody(file(bytes - frame), 'Internal')
  assert.equal(upload.contentLength, bytes)
  return upload
}

const tooLarge = (status: number) => isTooLarge(new StatusError(request, answer(status)), uploadOf(LIMIT + 1))

test('a request is too large only above the limit of CRITs, which is that of the whole request', () => {
  const refused = new StatusError(request, answer(413))
  assert.deepEqual(
    [LIMIT, LIMIT + 1].map(bytes => isTooLarge(refused, uploadOf(bytes))),
    [false, true],
  )
  const cut = new NetworkError(request, true, new Error('reset'))
  assert.deepEqual(
    [LIMIT, LIMIT + 1].map(bytes => mayBeTooLarge(cut, uploadOf(bytes))),
    [false, true],
  )
})

test('a large request that failed for another reason was not too large', () => {
  assert.deepEqual([413, 400, 502, 500].map(tooLarge), [true, false, false, false])
  const before = new NetworkError(request, false, new Error('refused'))
  assert.equal(mayBeTooLarge(before, uploadOf(LIMIT + 1)), false)
  assert.equal(mayBeTooLarge(new Error('other'), uploadOf(LIMIT + 1)), false)
})

test('a file of one byte is sent, an empty one and one without a source are not', () => {
  const file = (size: number) => ({ name: 'a', md5: '', size, open: () => assert.fail('nothing is read') })
  assert.equal(refusedUnasked('Internal', file(1)), undefined)
  assert.equal(refusedUnasked('Internal', file(0))?.isFileRefused, true)
  assert.equal(refusedUnasked('', file(1))?.isFileRefused, undefined)
})
