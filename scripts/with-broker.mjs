/** Sets RABBITMQ_URL for `use`, to a broker that lives as long as it runs, unless it names one already. Needs compiled packages. */
export async function withBroker(use) {
  if (process.env.RABBITMQ_URL) return use()
  const { startRabbitMq } = await import('@cuckoo-distributed/testing')
  const node = await startRabbitMq()
  process.env.RABBITMQ_URL = node.url
  try {
    return await use()
  } finally {
    delete process.env.RABBITMQ_URL
    await node.stop()
  }
}
