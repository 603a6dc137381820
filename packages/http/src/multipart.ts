/** multipart/form-data bodies with one file, streamed, of known length. */
import FormData from 'form-data'

/** A request body that can be sent, and sent again. */
export interface Upload {
  readonly contentType: string
  /** Exact number of bytes `open` yields. */
  readonly contentLength: number
  /** Starts the body from its first byte; called once for each time it is sent. */
  open(): AsyncIterable<Uint8Array>
}

export interface UploadFile {
  /** Name of the form field. */
  readonly field: string
  /** Any text; see `multipartUpload` for what is sent. */
  readonly filename: string
  /** Default `application/octet-stream`. */
  readonly contentType?: string
  /** Number of bytes `open` yields. */
  readonly size: number
  /** Starts the file from its first byte; called once for each time the upload is sent. */
  open(): AsyncIterable<Uint8Array>
}

/** A file yielded more or fewer bytes than it was said to have. */
export class UploadSizeError extends Error {
  readonly code = 'UPLOAD_SIZE'
  override readonly name = 'UploadSizeError'

  constructor(size: number, actual: string) {
    super(`the file to upload should have ${size} bytes but has ${actual}`)
  }
}

/**
 * Describes an upload of text fields and one file, the file last. The file is never held in memory.
 *
 * The length is always known: Django reads a chunked body as empty, and Cuckoo of 2015 answers 400
 * (`django/django:django/core/handlers/wsgi.py`, `cuckoosandbox/cuckoo:utils/api.py`). The file name is sent as raw UTF-8
 * in `filename="…"`, as `filename*=` loses the part in Cuckoo; only what follows the last `/` or `\` is sent, control
 * characters become `_`, quotes `%22`, and a name that leaves nothing becomes `unnamed`.
 *
 * Iterating the body throws `UploadSizeError` if the file has not `size` bytes.
 */
export function multipartUpload(parts: {
  readonly fields: Readonly<Record<string, string>>
  readonly file: UploadFile
}): Upload {
  const { fields, file } = parts
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.append(name, value)
  form.append(file.field, Buffer.alloc(0), {
    filename: safeFilename(file.filename),
    contentType: file.contentType ?? 'application/octet-stream',
    knownLength: file.size,
  })
  // The form with an empty file, cut where the file belongs: before the last line break and closing boundary.
  const frame = form.getBuffer()
  const end = frame.length - `\r\n--${form.getBoundary()}--\r\n`.length
  return {
    contentType: `multipart/form-data; boundary=${form.getBoundary()}`,
    contentLength: form.getLengthSync(),
    async *open() {
      yield frame.subarray(0, end)
      yield* exactly(file.size, file.open())
      yield frame.subarray(end)
    },
  }
}

async function* exactly(size: number, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let sent = 0
  for await (const chunk of chunks) {
    sent += chunk.length
    if (sent > size) throw new UploadSizeError(size, 'more')
    yield chunk
  }
  if (sent < size) throw new UploadSizeError(size, String(sent))
}

function safeFilename(name: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  const printable = last.replace(/\p{Cc}/gu, '_')
  return ['', '.', '..'].includes(printable.trim()) ? 'unnamed' : printable
}
