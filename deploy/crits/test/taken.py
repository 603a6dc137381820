# -*- coding: utf-8 -*-
from __future__ import unicode_literals

import json
import unittest

from scene import config, run
from cuckoo_distributed_service import publisher


class Taken(unittest.TestCase):
    """The publisher takes everything; `sent` holds what it got."""

    def setUp(self):
        self.sent = []
        self.broker = []
        self._publish = publisher.publish
        publisher.publish = self.publish

    def tearDown(self):
        publisher.publish = self._publish

    def publish(self, broker, exchange, routing_key, body, seconds):
        self.broker.append(broker)
        self.sent.append((exchange, routing_key, json.loads(body.decode('ascii'))))

    def message(self, **args):
        run(args.pop('stored', None) or config(), **args)
        return self.sent[-1][2]
