# -*- coding: utf-8 -*-
"""Before a broker whose limit is 100,000 bytes, and which CUCKOO_ALARM=yes has put under an alarm."""
from __future__ import unicode_literals

import os
import unittest

from scene import HAS_BROKER, Sample, config, log_of, run

QUEUE = os.environ.get('LIMITED_QUEUE', '')


@unittest.skipUnless(HAS_BROKER and QUEUE, 'no such broker')
class LimitsTest(unittest.TestCase):

    def test_body_above_the_limit(self):
        sample = Sample(content=os.urandom(90000))
        analysis = run(config(rabbit_key=QUEUE), sample)
        self.assertEqual(analysis['status'], 'error')
        self.assertIn('larger than configured max size', log_of(analysis))
        self.assertIn('let samples of this size stay in CRITs', log_of(analysis))
        sample.filedata.seek(0)
        analysis = run(config(rabbit_key=QUEUE, inline_mib=0), sample)
        self.assertEqual(analysis['status'], 'started', log_of(analysis))


@unittest.skipUnless(HAS_BROKER and QUEUE, 'no such broker')
class AlarmTest(unittest.TestCase):

    def test_broker_under_an_alarm(self):
        for content in [b'small', os.urandom(20000000)]:
            analysis = run(config(rabbit_key=QUEUE, inline_mib=100), Sample(content=content), seconds=5)
            self.assertEqual(analysis['status'], 'error')
            self.assertIn('Unknown whether it was sent: RabbitMQ did not confirm the message within 5 seconds',
                          log_of(analysis))


if __name__ == '__main__':
    unittest.main()
