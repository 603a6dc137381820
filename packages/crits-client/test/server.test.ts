import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CritsServers } from '../src/index.js'
import { OK, startStub, TARGET } from './stub.js'

const signal = new AbortController().signal

describe('CritsServers', () => {
  it('has one server for each base URL, with or without a trailing slash', async () => {
    await using servers = new CritsServers({ verifySsl: true })
    assert.equal(servers.forMessage('http://crits/a'), servers.forMessage('http://crits/a//'))
    assert.notEqual(servers.forMessage('http://crits/a'), servers.forMessage('http://crits/b'))
  })

  it('takes the configured CRITs for a message that names none, and refuses the message when there is none', async () => {
    await using servers = new CritsServers({ verifySsl: true, defaultUrl: 'http://crits/a' })
    assert.equal(servers.forMessage('').http.baseUrl, 'http://crits/a')
    await using none = new CritsServers({ verifySsl: true })
    assert.throws(() => none.forMessage(''), { code: 'NO_CRITS_URL', permanent: true })
  })

  it('talks to no CRITs that is neither the configured nor an allowed one', async () => {
    await using servers = new CritsServers({
      verifySsl: true,
      defaultUrl: 'http://crits/a',
      allowedUrls: ['https://other'],
    })
    assert.equal(servers.forMessage('http://crits/a/'), servers.forMessage(''))
    assert.equal(servers.forMessage('https://other/b').http.baseUrl, 'https://other/b')
    assert.throws(() => servers.forMessage('http://evil'), { code: 'URL_NOT_ALLOWED', permanent: true })
  })

  it('passes the configured CRITs on in messages that name none', async () => {
    await using open = new CritsServers({ verifySsl: true, defaultUrl: 'http://crits/a' })
    assert.equal(open.urlToPassOn(''), 'http://crits/a')
    assert.equal(open.urlToPassOn('http://other'), 'http://other')
  })

  it('waits for a CRITs that is down, and tells when it is down and up', async t => {
    let answers = 0
    const stub = await startStub(t, () => {
      answers += 1
      return answers <= 2 ? { status: 502, body: 'Bad Gateway' } : OK
    })
    const states: string[] = []
    await using servers = new CritsServers({
      verifySsl: true,
      onAvailability: (baseUrl, state) => states.push(`${baseUrl} ${state}`),
    })
    const server = servers.forMessage(`${stub.url}/`)
    const client = server.client(TARGET)
    await client.patiently(signal, () => client.finish('completed', signal))
    assert.deepEqual(states, [`${stub.url} down`, `${stub.url} up`])
  })
})
