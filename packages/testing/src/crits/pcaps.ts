// POST of network captures: `crits/crits:crits/pcaps/api.py`, `handle_pcap_file` in `crits/crits:crits/pcaps/handlers.py`.
import { type Answer, CritsCrash, jsonAnswer } from './answers.js'
import type { CritsUser } from './auth.js'
import { type FormData, isTruthy, type UploadedFile } from './body.js'
import type { UploadRules } from './samples.js'

/** Serves an upload; the bytes are not looked at. @throws CritsCrash: 500 */
export function addPcap(
  { store, profile }: UploadRules,
  user: CritsUser,
  data: FormData,
  file: UploadedFile | undefined,
): Answer {
  if (file === undefined) return refusal("Upload type of 'file' but no file uploaded.")
  // str(file_) of Python 2
  if (/[^\0-\x7f]/.test(file.filename)) throw new CritsCrash('UnicodeEncodeError: the name of the capture')
  if (profile === 'master' && user.createSamples === false) {
    return refusal('User does not have permission to create Object.')
  }
  if (file.size === 0) return refusal('No data object passed in')
  const related = isTruthy(data.get('related_id'))
  if (related !== isTruthy(data.get('related_type'))) {
    return refusal('Must specify both related_type and related_id or related_md5.')
  }
  const source = data.get('source')
  if (!isTruthy(source)) return refusal('Missing source information.')
  if (related && profile === 'master') throw new CritsCrash('InvalidDocument: a user cannot be encoded')
  if (profile === 'master' && !user.sources.some(({ name, write }) => name === source && write !== false)) {
    return refusal(`User does not have permission to add object using source ${String(source)}.`)
  }
  const { id } = store.insertPcap(file, String(source))
  const url = `/api/v1/pcaps/${id}/`
  return jsonAnswer({ message: 'Uploaded pcap', type: 'PCAP', return_code: 0, id, url })
}

function refusal(message: string): Answer {
  return jsonAnswer({ message, type: 'PCAP', return_code: 1 })
}
