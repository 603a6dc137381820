import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupCommit } from '../src/store/group-commit.js'

test('what is asked for together is committed together, and the rest with the next commit', async () => {
  const commits: (readonly number[])[] = []
  let end = () => {}
  const ask = groupCommit(async (items: readonly number[]) => {
    commits.push(items)
    await new Promise<void>(resolve => {
      end = resolve
    })
    return items.map(item => item * 2)
  })
  const first = [ask(1), ask(2)]
  while (commits.length < 1) await new Promise(setImmediate)
  const second = ask(3)
  await new Promise(setImmediate)
  assert.deepEqual(commits, [[1, 2]])
  end()
  assert.deepEqual(await Promise.all(first), [2, 4])
  while (commits.length < 2) await new Promise(setImmediate)
  end()
  assert.equal(await second, 6)
  const third = ask(4)
  while (commits.length < 3) await new Promise(setImmediate)
  end()
  assert.equal(await third, 8)
  assert.deepEqual(commits, [[1, 2], [3], [4]])
})

test('a commit that fails fails for all that share it, and for nobody after it', async () => {
  let isAway = true
  const ask = groupCommit(async (items: readonly number[]) => {
    if (isAway) throw new Error('away')
    return items
  })
  await Promise.all([ask(1), ask(2)].map(each => assert.rejects(each, /away/)))
  isAway = false
  assert.equal(await ask(3), 3)
})

test('who gets no output is not left waiting', async () => {
  const ask = groupCommit(async (items: readonly number[]) => items.slice(0, 1))
  const [one, two] = [ask(1), ask(2)]
  await assert.rejects(two, RangeError)
  assert.equal(await one, 1)
})
