import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { spawnService, waitFor } from '@cuckoo-distributed/testing'
import { scene } from './scene.js'
import { API_KEY, dumpNames, taskBody, wrapped } from './support.js'

/** As `scene`, with a way to run `overseer dumps …`, to its end or not. */
async function dumpsScene(t: TestContext) {
  const base = await scene(t)
  await mkdir(base.dumpDir, { mode: 0o700 })
  const spawn = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    spawnService(t, 'overseer', { config: base.config, args: ['dumps', ...args], env })
  const dumps = async (...args: string[]) => {
    const command = await spawn(args)
    const { code } = await command.exit
    return { code, lines: command.output, output: command.output.join('\n') }
  }
  /** Dumps of messages with the analyses 1 to `count`, all for the work queue. */
  const fill = async (count: number) => {
    const names = Array.from({ length: count }, (_, i) => `1437000000_${i + 1}`)
    for (const [i, name] of names.entries()) {
      await writeFile(join(base.dumpDir, name), wrapped(base.work, taskBody(String(i + 1))))
    }
    return names
  }
  return { ...base, spawn, dumps, fill }
}

const analysesIn = (messages: readonly { readonly body: Buffer }[]) =>
  messages.map(({ body }) => JSON.parse(body.toString()).CritsData.analysis_id)

test('list, show and export say what is there, without a key', async t => {
  const { dumps, fill, dumpDir } = await dumpsScene(t)
  const [name = ''] = await fill(3)
  const list = await dumps('list')
  assert.deepEqual(
    [list.code, list.lines[0]],
    [0, '3 × HTTP_TIMEOUT in check_results, 2026-01-02 03:04:05 to 2026-01-02 03:04:05'],
  )
  const each = JSON.parse((await dumps('list', '--each', '--json', '--analysis', '2')).output)
  assert.deepEqual(
    each.map(({ name }: { name: string }) => name),
    ['1437000000_2'],
  )
  const [cause] = JSON.parse((await dumps('list', '--json')).output)
  assert.deepEqual([cause.code, cause.count, cause.dumps.length], ['HTTP_TIMEOUT', 3, 3])
  const shown = await dumps('show', name)
  assert.match(shown.output, /"api_key": "\[hidden /)
  assert.ok(!shown.output.includes(API_KEY))
  assert.ok((await dumps('show', name, '--raw')).output.includes(API_KEY))
  assert.equal((await dumps('show', 'none')).code, 2)
  const exported = await dumps('export', join(dumpDir, '..', 'all.tar'), '--all')
  assert.match(exported.output, /3 dumps, \d+ bytes\ncontains: 3 with the CRITs API key/)
  assert.equal((await dumps('list', '--older', 'long')).code, 2)
})

test('dumps of another overseer are listed and shown, without a key, and say where they are; who is silent is named', async t => {
  const { dumps, fill, start, dumpDir, work } = await dumpsScene(t)
  await fill(2)
  const away = join(dumpDir, '..', 'away')
  await mkdir(away, { mode: 0o700 })
  const theirs = '1437000009_1'
  await writeFile(join(away, theirs), wrapped(work, taskBody('9')))
  await start()
  const other = await start({ DumpDir: away })
  const place = `${hostname()}:${away}`
  // Each is to know of the other, and to answer within two seconds.
  const until = async (said: RegExp, ...args: string[]) => {
    let last = ''
    const look = async () => {
      const answer = await dumps(...args)
      last = answer.output
      return said.test(last) && answer
    }
    return waitFor(look, { describe: () => `${args.join(' ')} to say ${said}; it said ${last}` })
  }
  const list = await until(/3 dumps/, 'list')
  assert.deepEqual(list.lines.slice(0, 2), [
    '3 × HTTP_TIMEOUT in check_results, 2026-01-02 03:04:05 to 2026-01-02 03:04:05',
    `    hosts:  ${place} 1, ${hostname()}:${dumpDir} 2`,
  ])
  const each = await until(new RegExp(theirs), 'list', '--each', '--analysis', '9')
  assert.match(each.lines.at(0) ?? '', new RegExp(`^${place}  ${theirs}  `))
  const [cause] = JSON.parse((await until(/"count": ?3/, 'list', '--json')).output)
  assert.deepEqual(cause.hosts, { [place]: 1, [`${hostname()}:${dumpDir}`]: 2 })

  const shown = await until(/api_key/, 'show', theirs.slice(0, 10))
  assert.deepEqual([shown.code, shown.lines[0]], [0, `in ${place}`])
  assert.match(shown.output, /"api_key": "\[hidden /)
  assert.ok(!shown.output.includes(API_KEY))
  assert.equal(JSON.parse((await until(/analysisId/, 'show', theirs, '--json')).output).analysis.analysisId, '9')
  for (const args of [
    ['show', theirs, '--raw'],
    ['resubmit', theirs],
    ['edit', theirs],
    ['delete', theirs],
    ['export', join(dumpDir, '..', 'all.tar'), theirs],
  ]) {
    const refused = await until(/run the command there/, ...args)
    assert.equal(refused.code, 2, args.join())
    assert.ok(
      /(?<where>\S+)( has it)?: run the command there/.exec(refused.output)?.groups?.where === place,
      refused.output,
    )
    assert.ok(!refused.output.includes(API_KEY))
  }
  for (const args of [
    ['resubmit', '--analysis', '9'],
    ['resubmit', '--analysis', '9', '--dry-run'],
    ['delete', '--analysis', '9', '--yes'],
  ]) {
    const { code, lines } = await until(/run the command there/, ...args)
    assert.deepEqual([code, lines], [0, [`1 dump in ${place}: run the command there`]], args.join())
  }
  assert.deepEqual(await dumpNames(away), [theirs])

  await other.kill()
  const rest = await until(/no answer .*away/, 'list', '--hosts', 'far')
  assert.match(rest.output, /^2 × /)
  assert.match(
    rest.output,
    new RegExp(`^no answer from the overseer of ${hostname()}:.*away.*; its dumps are not shown$`, 'm'),
  )
  assert.match(rest.output, /^no answer from the overseer of far; /m)
})

test('resubmit sends one, many or those that filters choose, to their queue or another, with a line for each', async t => {
  const { broker, work, failed, dumps, fill, dumpDir } = await dumpsScene(t)
  const [one = ''] = await fill(4)
  assert.equal((await dumps('resubmit')).code, 2)
  const dry = await dumps('resubmit', '--all', '--dry-run')
  assert.deepEqual([dry.code, dry.lines.length, await broker.depth(work)], [0, 4, 0])
  const first = await dumps('resubmit', one)
  assert.deepEqual([first.code, first.lines], [0, [`${one}  sent to ${work}`, '1 sent, 0 left']])
  const [sent] = await broker.takeAll(work)
  assert.equal(sent?.body.toString(), taskBody('1'))
  assert.equal(JSON.parse(String(sent?.headers['x-resubmitted'])).count, 1)
  await writeFile(join(dumpDir, '1437000001_1'), Buffer.from([0xff]))
  const some = await dumps('resubmit', '--service', 'check_results', '--to', failed, '--rate', '0')
  assert.equal(some.lines.at(-1), '3 sent, 0 left')
  assert.equal((await broker.takeAll(failed)).length, 3)
  const raw = await dumps('resubmit', '--all')
  assert.equal(raw.code, 1)
  assert.match(raw.output, /1437000001_1 {2}left: the file is not a failed message/)
  assert.deepEqual(await dumpNames(dumpDir), ['1437000001_1'])
  assert.equal((await dumps('delete', '--code', 'NO_FAILED_MESSAGE')).code, 1)
  assert.equal((await dumps('delete', '--code', 'NO_FAILED_MESSAGE', '--yes')).code, 0)
  assert.deepEqual(await readdir(dumpDir), [])
})

test('two at once beside a running overseer send each dump once', async t => {
  const { broker, work, dumps, fill, dumpDir, start } = await dumpsScene(t)
  await start()
  await fill(40)
  const both = await Promise.all([dumps('resubmit', '--all', '--rate', '0'), dumps('resubmit', '--all', '--rate', '0')])
  const sent = both.flatMap(({ lines }) => lines).filter(line => line.includes('  sent to '))
  assert.equal(sent.length, 40)
  assert.equal(new Set(analysesIn(await broker.takeAll(work))).size, 40)
  assert.deepEqual(await readdir(dumpDir), ['.journal'], 'which is the overseer’s')
})

test('killed in the middle: each is sent once, or said to be there twice', async t => {
  const { broker, work, spawn, dumps, fill, dumpDir } = await dumpsScene(t)
  await fill(20)
  const command = await spawn(['resubmit', '--all', '--rate', '200'])
  await waitFor(() => command.output.length >= 3, { everyMs: 1, describe: 'some lines' })
  await command.kill()
  // What it had in its hands comes back after five minutes.
  for (const file of (await readdir(dumpDir)).filter(name => name.startsWith('.claim-'))) {
    await rename(join(dumpDir, file), join(dumpDir, file.replace(/claim-\d+x/, 'claim-1x')))
  }
  const rest = await dumps('resubmit', '--all', '--rate', '0')
  assert.equal(rest.code, 0)
  const counts = new Map<string, number>()
  for (const id of analysesIn(await broker.takeAll(work))) counts.set(id, (counts.get(id) ?? 0) + 1)
  assert.equal(counts.size, 20)
  const twice = [...counts.values()].filter(count => count > 1).length
  const said = rest.lines.filter(line => line.includes('possibly twice: a resubmission by ')).length
  assert.ok(twice <= said && said <= 1, `${twice} twice, ${said} said to be so`)
  // A kill may leave a mark half written, which an overseer sweeps once it is old.
  const left = (await readdir(dumpDir)).filter(name => !name.startsWith('.tmp-'))
  assert.deepEqual(left, [])
})

test('a kill between the confirm and the removal is reported as possibly twice, and the message is marked', async t => {
  const { broker, work, dumps, fill, dumpDir } = await dumpsScene(t)
  const [name = ''] = await fill(1)
  await writeFile(join(dumpDir, `.sending-${name}`), JSON.stringify({ at: 'then', by: 'bob@far', queue: work }))
  assert.match((await dumps('list', '--each')).output, /sent\?/)
  const { lines } = await dumps('resubmit', name)
  assert.equal(lines[0], `${name}  sent to ${work}, possibly twice: a resubmission by bob@far at then was cut off`)
  assert.equal((await broker.expectMessage(work)).headers['x-seen'], 1)
})

test('edit opens $EDITOR, and what it saves is sent', async t => {
  const { broker, work, spawn, dumps, fill, dumpDir } = await dumpsScene(t)
  const [name = ''] = await fill(1)
  const editor = join(dumpDir, '..', 'editor.sh')
  await writeFile(editor, '#!/bin/sh\ncp "$2" "$2.seen" && cat "$2" && sed -i "s/$1/b/" "$2"\n')
  await chmod(editor, 0o700)
  const edit = await spawn(['edit', name], { EDITOR: `${editor} cuckoo.invalid`, VISUAL: '' })
  assert.equal((await edit.exit).code, 0)
  assert.ok(!edit.output.join().includes(API_KEY))
  assert.equal((await dumps('resubmit', name)).code, 0)
  const sent = await broker.expectMessage(work)
  assert.equal(sent.body.toString(), taskBody('1').replace('cuckoo.invalid', 'b'))
  assert.deepEqual(await readdir(dumpDir), [])
})

test('an editor that fails, or saves what is no JSON, leaves the dump as it was', async t => {
  const { spawn, fill, dumpDir } = await dumpsScene(t)
  const [name = ''] = await fill(1)
  const before = await readFile(join(dumpDir, name))
  for (const [EDITOR, problem] of [
    ['false', /false ended with 1/],
    ['truncate -s 5', /is not JSON/],
  ] as const) {
    const edit = await spawn(['edit', name], { EDITOR, VISUAL: '' })
    assert.equal((await edit.exit).code, 1)
    assert.match(edit.output.join('\n'), problem)
    assert.deepEqual(await readdir(dumpDir), [name])
    assert.deepEqual(await readFile(join(dumpDir, name)), before)
  }
})
