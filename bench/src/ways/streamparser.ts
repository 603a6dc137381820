// The baseline `@streamparser/json`, which is told to keep nothing but the wanted values. It builds all calls: a path has no upper bound.
import { JSONParser } from '@streamparser/json'
import { request } from 'undici'

const WANTED = ['$.info', '$.target.file', '$.signatures.*', '$.behavior.summary', '$.behavior.processes.*.calls.*']

export async function streamparser(url: string): Promise<number> {
  const { body } = await request(url)
  let values = 0
  const json = new JSONParser({ paths: WANTED, keepStack: false })
  json.onValue = () => {
    values++
  }
  body.on('data', chunk => json.write(chunk))
  return new Promise((resolve, reject) => {
    body.on('end', () => resolve(values))
    body.on('error', reject)
  })
}
