// POST of screenshots: `crits/crits:crits/screenshots/api.py`, `add_screenshot` in `crits/crits:crits/screenshots/handlers.py`.
import { type Answer, CritsCrash, jsonAnswer } from './answers.js'
import { type FormData, isTruthy, type UploadedFile } from './body.js'
import { objectFromId } from './relationships.js'
import type { CritsStore } from './store.js'

/** First bytes of what the imaging library reads: JPEG, PNG, BMP, GIF. */
const PICTURE = /^(ffd8ff|89504e47|424d|47494638)/

/** Serves an upload to a sample; existing ones by their ids are not served. @throws CritsCrash: 500 */
export function addScreenshot(store: CritsStore, data: FormData, file: UploadedFile | undefined): Answer {
  const type = data.get('upload_type')
  if (!isTruthy(type)) return refusal('Must provide an upload type.')
  if (type !== 'screenshot') return refusal('Not a valid upload type.')
  if (file === undefined) return refusal("Upload type of 'screenshot' but no file uploaded.")
  const [oid, otype, source] = [data.get('oid'), data.get('otype'), data.get('source')]
  if (![oid, otype, source].every(isTruthy)) return refusal('You must provide a valid set of information.')
  const sample = objectFromId(store, otype, oid)
  if (sample === undefined) return refusal('Could not find the top-level object.')
  if (!PICTURE.test(file.magic)) throw new CritsCrash('IOError: cannot identify image file')
  const { id } = store.insertScreenshot(file, String(source))
  // As often as it is sent; the page shows it once.
  sample.screenshots.push(id)
  const message = 'Screenshot(s) successfully uploaded!'
  return jsonAnswer({ message, type: 'Screenshot', return_code: 0, id, url: `/api/v1/screenshots/${id}/` })
}

function refusal(message: string): Answer {
  return jsonAnswer({ message, type: 'Screenshot', return_code: 1 })
}
