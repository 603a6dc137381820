// The documentation is followed as root on a fresh Debian with its own systemd and the RabbitMQ of the distribution.
// Part of `npm run test:debian`: it takes minutes, and downloads a Debian.
import { test } from 'node:test'
import { DebianMachine } from './newcomer/debian.js'
import { followDocumentation, surroundings } from './newcomer/journey.js'

test('whoever follows the documentation on a fresh Debian gets a first sample through, and a dump back to work', async t => {
  const around = await surroundings(t)
  const machine = await DebianMachine.make(t, around.names)
  await followDocumentation(machine, 'amqp://guest:guest@127.0.0.1:5672', around)
})
