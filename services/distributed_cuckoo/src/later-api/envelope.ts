/** Every answer says whether it is one (`cuckoosandbox/cuckoo:cuckoo/distributed/views/api.py`, `json_error`). */
import type { ErrorBody } from '../server/errors.js'

export function envelope(body: ErrorBody) {
  return { success: false, ...body }
}
