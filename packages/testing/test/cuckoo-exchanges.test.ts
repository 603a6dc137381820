import assert from 'node:assert/strict'
import test from 'node:test'
import { create, reported, send, start } from './cuckoo-client.js'

type Expected = readonly [status: number, type: string, text: string]
const html = 'text/html; charset=UTF-8'

/** Statuses, types and texts of genuine servers; `{1}` reported, `{2}` running, `{3}` pending, everything else unknown. */
const EXCHANGES: Readonly<Record<string, readonly [old: Expected, new_: Expected]>> = {
  'GET /no/such/path': [
    [404, html, '<pre>Not found: &#039;/no/such/path&#039;</pre>'],
    [404, 'text/html', '<h1>Not Found</h1>'],
  ],
  'GET /cuckoo/status/': [
    [404, html, 'Not found: '],
    [404, 'text/html', '<title>404 Not Found</title>'],
  ],
  'POST /cuckoo/status': [
    [405, html, '<pre>Method not allowed.</pre>'],
    [405, 'text/html', '<h1>Method Not Allowed</h1>'],
  ],
  'GET /tasks/create/file': [
    [405, html, '<pre>Method not allowed.</pre>'],
    [405, 'text/html', 'The method is not allowed'],
  ],
  'GET /tasks/view/999999': [
    [404, html, '<pre>Task not found</pre>'],
    [404, 'application/json', '{\n  "message": "Task not found"\n}\n'],
  ],
  'GET /tasks/view/abc': [
    [404, html, 'Not found: '],
    [404, 'text/html', '<h1>Not Found</h1>'],
  ],
  'GET /tasks/view/-1': [
    [404, html, '<pre>Task not found</pre>'],
    [404, 'text/html', '<h1>Not Found</h1>'],
  ],
  'GET /tasks/view/1/': [
    [404, html, 'Not found: '],
    [404, 'text/html', '<h1>Not Found</h1>'],
  ],
  'GET /tasks/view/0001': [
    [200, 'application/json; charset=UTF-8', '"status": "reported"'],
    [200, 'application/json', '"status": "reported"'],
  ],
  'GET /tasks/view/99999999999999999999': [
    [500, html, '<pre>Internal Server Error</pre>'],
    [500, 'text/html', 'Either the server is overloaded'],
  ],
  'GET /pcap/get/1': [
    [404, html, '<pre>File not found</pre>'],
    [404, 'application/json', '"message": "File not found"'],
  ],
  'GET /tasks/screenshots/1': [
    [200, 'application/zip', 'PK'],
    [200, 'application/zip', 'PK'],
  ],
  'GET /tasks/screenshots/999999': [
    [404, html, 'storage/analyses/999999/shots</pre>'],
    [404, 'application/json', '"message": "Task not found"'],
  ],
  'GET /tasks/report/1': [
    [200, html, '{\n    "info": {'],
    [200, 'application/json', '{\n    "info": {'],
  ],
  'GET /v1/tasks/report/1/JSON': [
    [200, html, '{\n    "info": {'],
    [200, 'application/json', '{\n    "info": {'],
  ],
  'GET /tasks/report/2': [
    [404, html, '<pre>Report not found</pre>'],
    [404, 'application/json', '"message": "Report not found"'],
  ],
  'GET /tasks/report/999999': [
    [404, html, '<pre>Report not found</pre>'],
    [404, 'application/json', 'Report not found'],
  ],
  'GET /tasks/report/1/html': [
    [404, html, '<pre>Report not found</pre>'],
    [404, 'application/json', 'Report not found'],
  ],
  'GET /tasks/report/1/pdf': [
    [400, html, '<pre>Invalid report format</pre>'],
    [400, 'application/json', 'Invalid report format'],
  ],
  'GET /tasks/report/3/dropped': [
    [500, html, 'Internal Server Error'],
    [500, 'text/html', 'Internal Server Error'],
  ],
  'GET /tasks/report/999999/dropped': [
    [500, html, 'Internal Server Error'],
    [500, 'text/html', 'Internal Server Error'],
  ],
  'GET /tasks/delete/2': [
    [500, html, '<pre>The task is currently being processed, cannot delete</pre>'],
    [500, 'application/json', '"message": "The task is currently being processed, cannot delete"'],
  ],
  'GET /tasks/delete/999999': [
    [404, html, 'Task not found'],
    [404, 'application/json', 'Task not found'],
  ],
  'POST /tasks/delete/1': [
    [405, html, 'Method not allowed.'],
    [405, 'text/html', 'Method Not Allowed'],
  ],
  'GET /tasks/list?status=bogus': [
    [200, 'application/json; charset=UTF-8', '{\n    "tasks": []\n}'],
    [200, 'application/json', '{\n  "tasks": []\n}\n'],
  ],
  'GET /tasks/list?completed_after=yesterday': [
    [500, html, 'Internal Server Error'],
    [500, 'text/html', 'Internal Server Error'],
  ],
  'GET /files/view/md5/00000000000000000000000000000000': [
    [404, html, 'File not found'],
    [404, 'application/json', 'File not found'],
  ],
  'GET /tasks/delete/1': [
    [200, 'application/json; charset=UTF-8', '{\n    "status": "OK"\n}'],
    [200, 'application/json', '{\n  "status": "OK"\n}\n'],
  ],
}

for (const [index, version] of (['1.2', '2.0'] as const).entries()) {
  test(`${version}: statuses, content types and texts are those of a genuine server`, async t => {
    const cuckoo = await start(t, {
      version,
      machines: 1,
      analysisTime: task => (task.id === 1 ? 0 : Number.POSITIVE_INFINITY),
    })
    await create(cuckoo.url)
    await reported(cuckoo, 1)
    await create(cuckoo.url)
    await create(cuckoo.url)
    assert.deepEqual(
      [...cuckoo.tasks.values()].map(task => task.status),
      ['reported', 'running', 'pending'],
    )
    for (const [line, expected] of Object.entries(EXCHANGES)) {
      const [method = '', path = ''] = line.split(' ')
      const [status, type, text] = expected[index] ?? assert.fail()
      const answer = await send(cuckoo.url + path, { method })
      assert.equal(answer.status, status, line)
      assert.equal(answer.headers['content-type'], type, line)
      assert.ok(answer.body.toString().includes(text), `${line}: ${answer.body.toString().slice(0, 900)}`)
    }
  })
}

test('1.2 has the error page of Bottle, byte for byte', async t => {
  const cuckoo = await start(t)
  const { port } = new URL(cuckoo.url)
  const answer = await send(`${cuckoo.url}/tasks/report/29`)
  assert.equal(
    answer.body.toString(),
    `
    <!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">
    <html>
        <head>
            <title>Error: 404 Not Found</title>
            <style type="text/css">
              html {background-color: #eee; font-family: sans;}
              body {background-color: #fff; border: 1px solid #ddd;
                    padding: 15px; margin: 15px;}
              pre {background-color: #eee; border: 1px solid #ddd; padding: 5px;}
            </style>
        </head>
        <body>
            <h1>Error: 404 Not Found</h1>
            <p>Sorry, the requested URL <tt>&#039;http://127.0.0.1:${port}/tasks/report/29&#039;</tt>
               caused an error:</p>
            <pre>Report not found</pre>
        </body>
    </html>
`,
  )
})
