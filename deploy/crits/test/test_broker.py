# -*- coding: utf-8 -*-
"""The service before a real RabbitMQ, that of RABBITMQ_URL."""
from __future__ import unicode_literals

import json
import os
import shutil
import socket
import subprocess
import tempfile
import unittest
import uuid

from scene import HAS_BROKER, Sample, alice, config, log_of, posted, run
from proxy import Proxy


def connect():
    from kombu import Connection
    stored = config()
    return Connection(hostname=stored['rabbit_address'], port=stored['rabbit_port'], userid=stored['rabbit_user'],
                      password=stored['rabbit_pw'], transport='pyamqp')


@unittest.skipUnless(HAS_BROKER, 'neither kombu nor RABBITMQ_URL')
class BrokerTest(unittest.TestCase):

    def setUp(self):
        self.queue = 'test.crits.ä %s' % uuid.uuid4()
        self.connection = connect()
        self.channel = self.connection.channel()
        self.declare()

    def declare(self, **arguments):
        self.channel.queue_declare(self.queue, durable=True, auto_delete=False,
                                   arguments=dict((name.replace('_', '-'), value) for name, value in arguments.items()))

    def tearDown(self):
        self.connection.channel().queue_delete(self.queue)
        self.connection.release()

    def taken(self):
        """A confirmed message is there."""
        return self.channel.basic_get(self.queue, no_ack=True)

    def config(self, **changes):
        return config(rabbit_key=self.queue, **changes)

    def refused(self, text, stored, status='error', **args):
        analysis = run(stored, **args)
        self.assertIn(text, log_of(analysis))
        self.assertEqual(analysis['status'], status)
        self.assertNotIn('s3cret', log_of(analysis))
        return analysis

    def test_message_as_the_go_suites_service_sent_it(self):
        for line in ['2015', '2019']:
            analysis = run(self.config(), user=alice(line))
            taken = self.taken()
            self.assertEqual(analysis['status'], 'started', log_of(analysis))
            self.assertEqual(dict((name, taken.properties.get(name)) for name in [
                'content_type', 'content_encoding', 'delivery_mode', 'priority', 'application_headers']), {
                'content_type': 'application/json', 'content_encoding': 'utf-8', 'delivery_mode': 2, 'priority': 0,
                'application_headers': {}})
            body = taken.body if isinstance(taken.body, bytes) else taken.body.encode('ascii')
            self.assertEqual(json.loads(body.decode('ascii'))['crits_data']['analysis_id'], analysis['analysis_id'])

    def test_hostile_names(self):
        for name, arrives in [(name, name) for name in [
                'a/b\\c"d\n\r\0%s{}.exe', 'Ωλ \U0001f600.exe', 'x' * 5000]] + [(b'caf\xe9', 'caf\ufffd')]:
            analysis = run(self.config(), Sample(name))
            self.assertEqual(analysis['status'], 'started', log_of(analysis))
            self.assertEqual(json.loads(self.taken().body)['file']['name'], arrives)

    def test_exchange_of_any_type(self):
        name = 'test.crits.%s' % uuid.uuid4()
        self.channel.exchange_declare(name, 'direct', durable=True, auto_delete=False)
        try:
            self.refused('no queue for "%s" behind the exchange' % self.queue, self.config(rabbit_exchange=name))
            self.channel.queue_bind(self.queue, name, self.queue)
            self.assertEqual(run(self.config(rabbit_exchange=name))['status'], 'started')
            self.assertIsNotNone(self.taken())
        finally:
            self.channel.exchange_delete(name)

    def test_missing_exchange(self):
        self.refused('NOT_FOUND', self.config(rabbit_exchange='test.no.such.exchange'))

    def test_missing_queue(self):
        self.refused('RabbitMQ has no queue for "test.no.such.queue"', config(rabbit_key='test.no.such.queue'))
        self.refused('no queue for "%s"' % ('q' * 255), config(rabbit_key='q' * 255))

    def test_full_queue(self):
        self.channel.queue_delete(self.queue)
        self.declare(x_max_length=1, x_overflow='reject-publish')
        self.assertEqual(run(self.config())['status'], 'started')
        self.refused('is full or not available', self.config())

    def test_wrong_password(self):
        self.refused('refuses the user or the password', self.config(rabbit_pw='s3cret'))

    def test_missing_virtual_host(self):
        self.refused('cannot be used', self.config(rabbit_vhost='/none'))

    def test_nobody_listens(self):
        free = socket.socket()
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
        free.close()
        self.refused('cannot be used', self.config(rabbit_address='127.0.0.1', rabbit_port=port))

    def test_who_listens_is_silent(self):
        listener = socket.socket()
        listener.bind(('127.0.0.1', 0))
        listener.listen(1)
        stored = self.config(rabbit_address='127.0.0.1', rabbit_port=listener.getsockname()[1])
        analysis = run(stored, seconds=1)
        self.assertIn('did not answer within 1 seconds', log_of(analysis))
        self.assertIn('Not sent', log_of(analysis))
        self.assertEqual(analysis['status'], 'error')
        listener.close()

    def test_connection_breaks_before_the_answer(self):
        proxy = Proxy(config()['rabbit_port'], cut_after=100000)
        stored = self.config(rabbit_address='127.0.0.1', rabbit_port=proxy.port)
        analysis = self.refused('Unknown whether it was sent', stored, sample=Sample(content=os.urandom(2000000)))
        self.assertIn('the connection broke', log_of(analysis))
        self.assertIsNone(self.taken())
        proxy.close()

    def test_tls(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        good, other = [certificate(folder, name) for name in ['DNS:localhost', 'DNS:mq.example.org']]
        for presented, trusted, works in [(good, good, True), (good, other, False), (other, other, False)]:
            proxy = Proxy(config()['rabbit_port'], certificate=presented)
            stored = self.config(rabbit_address='localhost', rabbit_port=proxy.port, rabbit_ssl=True, rabbit_ca=trusted)
            analysis = run(stored)
            if works:
                self.assertEqual(analysis['status'], 'started', log_of(analysis))
            else:
                self.assertIn('cannot be used', log_of(analysis))
            self.assertEqual(self.taken() is not None, works)
            proxy.close()

    def test_chosen_queue(self):
        analysis = run(config(rabbit_key='test.no.such.queue\r\n' + self.queue), form=posted(queue=self.queue))
        self.assertEqual(analysis['status'], 'started', log_of(analysis))
        self.assertIsNotNone(self.taken())


def certificate(folder, name):
    path = os.path.join(folder, name.split(':')[1] + '.pem')
    subprocess.check_output(
        ['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test',
         '-addext', 'subjectAltName=' + name, '-keyout', path, '-out', path + '.crt'], stderr=subprocess.STDOUT)
    with open(path, 'a') as file, open(path + '.crt') as own:
        file.write(own.read())
    return path


if __name__ == '__main__':
    unittest.main()
