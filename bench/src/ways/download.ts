// The limit: what it costs to get the bytes.
import { request } from 'undici'

/** Downloads without looking at a byte. */
export async function download(url: string): Promise<number> {
  const { body } = await request(url)
  let bytes = 0
  return new Promise((resolve, reject) => {
    body.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    body.on('end', () => resolve(bytes))
    body.on('error', reject)
  })
}
