import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CritsServers } from '../src/index.js'
import { OK, startStub, TARGET } from './stub.js'

const signal = new AbortController().signal

describe('CritsServers', () => {
  it('has one server for each base URL, with or without a trailing slash', async () => {
    await using servers = new CritsServers({ verifySsl: true })
    assert.equal(servers.at('http://crits/a'), servers.at('http://crits/a//'))
    assert.notEqual(servers.at('http://crits/a'), servers.at('http://crits/b'))
  })

  it('waits for a CRITs that is down, and tells when it is down and up', async t => {
    let answers = 0
    const stub = await startStub(t, () => {
      answers += 1
      return answers === 1 ? { status: 502, body: 'Bad Gateway' } : OK
    })
    const states: string[] = []
    await using servers = new CritsServers({
      verifySsl: true,
      onAvailability: (baseUrl, state) => states.push(`${baseUrl} ${state}`),
    })
    const server = servers.at(`${stub.url}/`)
    const client = server.client(TARGET)
    await server.availability.patiently(signal, () => client.finish('completed', signal))
    assert.deepEqual(states, [`${stub.url} down`, `${stub.url} up`])
  })
})
