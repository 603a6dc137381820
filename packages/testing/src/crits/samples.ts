// POST and GET of samples: `crits/crits:crits/samples/api.py`, `handle_file` in `crits/crits:crits/samples/handlers.py`.
import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, CritsCrash, jsonAnswer } from './answers.js'
import { type CritsUser, type Profile, TLP_LEVELS, type Tlp } from './auth.js'
import { type FormData, isTruthy, type UploadedFile } from './body.js'
import type { Report } from './journal.js'
import { objectFromId, relate } from './relationships.js'
import { type CritsStore, contentOf, type StoredSample } from './store.js'

/** First four bytes of network captures (`detect_pcap` in `crits/crits:crits/core/data_tools.py`). */
const PCAP_MAGIC = new Set(['a1b2c3d4', 'd4c3b2a1', '4d3cb2a1', 'a1b23c4d', '0a0d0d0a'])

export interface UploadRules {
  readonly store: CritsStore
  readonly profile: Profile
  readonly report: Report
  /** Lets two parallel uploads of a new file make two samples: the index on MD5 is not unique. */
  readonly uploadRace: boolean
  readonly signal: AbortSignal
}

interface Upload extends UploadRules {
  readonly user: CritsUser
  readonly data: FormData
  readonly source: string
  readonly md5: string
  readonly filename: string
  readonly file: UploadedFile | undefined
}

/** Serves an upload. @throws CritsCrash: 500 */
export async function addSample(
  rules: UploadRules,
  user: CritsUser,
  data: FormData,
  part: UploadedFile | undefined,
): Promise<Answer> {
  const uploadType = data.get('upload_type')
  if (!isTruthy(uploadType)) return refusal('Must provide an upload type.')
  if (uploadType !== 'file' && uploadType !== 'metadata') return refusal('Not a valid upload type.')
  const file = uploadType === 'file' ? (part ?? textFile(data.get('filedata'))) : undefined
  if (uploadType === 'file' && file === undefined) return refusal("Upload type of 'file' but no file uploaded.")
  if (isTruthy(data.get('related_id')) !== isTruthy(data.get('related_type'))) {
    return refusal('Must specify related_type and related_id')
  }
  if (rules.profile === 'master' && user.createSamples === false) {
    return refusal('User does not have permission to create Object.')
  }
  if (!isTruthy(data.get('source'))) return refusal('Missing source information.')
  // CRITs unpacks the archive, stores what is in it and then fails on its own return value.
  if (data.get('file_format') === 'zip' && file !== undefined)
    throw new CritsCrash("'unicode' object has no attribute 'get'")
  if (!isTruthy(data.get('description'))) rules.report('missing-description', 'an upload has no description')
  const md5 =
    file?.md5 ??
    String(data.get('md5') ?? '')
      .trim()
      .toLowerCase()
  const filename = file?.filename ?? String(data.get('filename') ?? md5)
  const upload: Upload = { ...rules, user, data, source: String(data.get('source')), md5, filename, file }
  if (file !== undefined && rules.profile !== '2015' && PCAP_MAGIC.has(file.magic)) return storePcap(upload, file)
  if (file?.size === 0 || md5 === '') return refusal('At least MD5 hash is required.')
  if (!/^[\da-f]{32}$/.test(md5)) return refusal('The MD5 digest needs to be 32 hex characters.')
  return storeSample(upload)
}

function refusal(message: string): Answer {
  return jsonAnswer({ message, type: 'Sample', return_code: 1 })
}

/** A text field `filedata` is hashed as text: ASCII works under its MD5 as name, anything else is a UnicodeEncodeError. */
function textFile(text: unknown): UploadedFile | undefined {
  if (!isTruthy(text)) return undefined
  if (typeof text !== 'string' || /[^\0-\x7f]/.test(text)) throw new CritsCrash('UnicodeEncodeError: filedata is text')
  const content = contentOf(Buffer.from(text))
  return { ...content, filename: content.md5, magic: content.bytes?.subarray(0, 4).toString('hex') ?? '' }
}

function mayWrite({ profile, user, source }: Upload): boolean {
  return profile !== 'master' || user.sources.some(({ name, write }) => name === source && write !== false)
}

function storePcap(upload: Upload, file: UploadedFile): Answer {
  const { store, data, md5 } = upload
  const related = objectFromId(store, data.get('related_type'), data.get('related_id'))
  if (isTruthy(data.get('related_id')) && related === undefined) return refusal('Related object not found.')
  if (!mayWrite(upload)) return refusal(noWriteRight(upload.source))
  store.insertPcap(file, upload.source)
  const message = `Detected a PCAP! New PCAP: <a href="/pcaps/details/${md5}/">${md5}.</a>`
  return jsonAnswer({ message, type: 'Sample', return_code: 0 })
}

function noWriteRight(source: string): string {
  return `User does not have permission to add object using source ${source}.`
}

async function storeSample(upload: Upload): Promise<Answer> {
  const { store, data, profile, md5 } = upload
  const related = isTruthy(data.get('related_id'))
    ? objectFromId(store, data.get('related_type'), data.get('related_id'))
    : undefined
  let complaint = ''
  if (isTruthy(data.get('related_id')) && related === undefined) {
    complaint = ` Related ${String(data.get('related_id'))} not found. Sample not uploaded.`
  }
  const existing = store.sampleByMd5(md5)
  const description = mergedDescription(existing, data.get('description'), profile)
  if (!mayWrite(upload)) return refusal(noWriteRight(upload.source))
  const tlp = tlpOf(data.get('tlp'), profile)
  // CRITs gives the id of a document that was never saved: Python's None.
  if (existing === undefined && tlp === undefined) {
    return answer(`${complaint}The sample does not have a source.`, 'None', md5, 'Added new', false)
  }
  if (existing === undefined && upload.uploadRace) await raceWindow(upload)
  const sample = existing ?? store.insertSample(md5, upload.filename, upload.file)
  sample.description = description
  sample.content ??= upload.file
  if (sample.filename !== upload.filename && !sample.filenames.includes(upload.filename)) {
    sample.filenames.push(upload.filename)
  }
  if (tlp !== undefined) store.addSource(sample, upload.source, instanceOf(upload, tlp))
  if (related !== undefined && related !== sample) relate(sample, related, 'Related To', profile)
  return answer(complaint, sample.id, md5, existing === undefined ? 'Added new' : 'Updated', complaint === '')
}

/** The moment between CRITs' look for the MD5 and its insert. */
async function raceWindow({ store, md5, report, signal }: Upload): Promise<void> {
  await delay(50, undefined, { signal })
  if (store.sampleByMd5(md5) !== undefined) report('parallel-upload', `two uploads of the new MD5 ${md5} at a time`)
}

function answer(complaint: string, id: string, md5: string, verb: string, success: boolean): Answer {
  return jsonAnswer({
    url: `/api/v1/samples/${id}/`,
    message: `${complaint}Success: ${verb} sample <a href="/samples/details/${md5}/">${md5}.</a>`,
    type: 'Sample',
    return_code: success ? 0 : 1,
    id,
  })
}

/** A different text is appended to the old one; no text at all crashes when there is an old one. 2015 has no such field. */
function mergedDescription(sample: StoredSample | undefined, given: unknown, profile: Profile): string | undefined {
  if (profile === '2015') return undefined
  const old = sample?.description
  if (!isTruthy(old)) return given === undefined ? undefined : String(given)
  if (given === undefined) throw new CritsCrash('TypeError: cannot concatenate unicode and NoneType')
  return old === given ? old : `${old}\n${String(given)}`
}

function tlpOf(given: unknown, profile: Profile): Tlp | undefined {
  if (profile !== 'master' || given === undefined) return 'amber'
  return TLP_LEVELS.find(level => level === given)
}

function instanceOf({ user, data, file }: Upload, tlp: Tlp) {
  const method = isTruthy(data.get('method')) ? ` - ${String(data.get('method'))}` : ''
  return {
    analyst: user.name,
    method: `${file === undefined ? 'Metadata Upload' : 'File Upload'}${method}`,
    reference: String(data.get('reference') ?? ''),
    tlp,
  }
}
