/** Which tasks a request is about. */
import { ApiError } from '../server/errors.js'
import { type Fields, readCount, readInteger, readSwitch } from '../server/fields.js'
import type { TaskFilter, TaskState } from '../store/model.js'
import type { Range } from '../store/pages.js'

const STATES: readonly TaskState[] = ['pending', 'submitting', 'processing', 'fetching', 'finished', 'failed']

/** @throws ApiError 400 */
export function readRange(query: Fields): Range {
  const limit = readInteger(query, 'limit')
  // The original takes -1 for no limit.
  if (limit !== undefined && limit < -1) throw new ApiError(400, 'Parameter limit must not be negative')
  return { limit: limit === -1 ? undefined : limit, offset: readCount(query, 'offset') }
}

/** @throws ApiError 400 */
export function readFilter(query: Fields): TaskFilter {
  const [status, finished] = [query.get('status'), readSwitch(query, 'finished')]
  if (status !== undefined && finished !== undefined) throw new ApiError(400, 'Give either finished or status')
  return {
    states: status === undefined ? undefined : [readState(status)],
    finished,
    owner: query.get('owner'),
    priority: readInteger(query, 'priority'),
    sha256: query.get('sha256')?.toLowerCase(),
    md5: query.get('md5')?.toLowerCase(),
  }
}

function readState(status: string): TaskState {
  const state = STATES.find(known => known === status)
  if (state === undefined) throw new ApiError(400, `Parameter status must be one of ${STATES.join(', ')}`)
  return state
}
