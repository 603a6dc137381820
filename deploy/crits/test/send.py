# -*- coding: utf-8 -*-
"""
Runs the service once as the JSON on standard input says, and prints the analysis as CRITs has it then: for the tests of
the project, which go on with the message.
"""
from __future__ import print_function, unicode_literals

import base64
import json
import sys

from scene import Key, Sample, alice, config, log_of, posted, run

asked = json.load(sys.stdin)
sample = Sample(asked['name'], base64.b64decode(asked['content']), asked['sources'])
sample.id = asked['id']
user = alice(asked['line'], asked['user'], [Key(asked['key'], default=True)], asked['sources'])
analysis = run(config(**asked['config']), sample, user, posted(**asked['options']))
print(json.dumps({'id': analysis['analysis_id'], 'status': analysis['status'], 'log': log_of(analysis)}))
