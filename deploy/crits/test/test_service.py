# -*- coding: utf-8 -*-
"""The service inside CRITs, without a broker."""
from __future__ import unicode_literals

import base64
import unittest

from scene import CONTENT, KEY, Key, Sample, alice, config, log_of, posted, run
from taken import Taken
from crits.services.core import ServiceConfigError
from cuckoo_distributed_service import CuckooDistributedService, publisher


class MessageTest(Taken):

    def test_is_that_of_the_go_suites_service_with_all_sources(self):
        for line in ['2015', '2019']:
            sample = Sample()
            analysis = run(config(), sample, alice(line))
            self.assertEqual(self.sent.pop(), ('', 'worker/feed_cuckoo', {
                'payload': {},
                'file': {'name': 'invoice.exe', 'data': base64.b64encode(CONTENT).decode()},
                'crits_data': {
                    'analysis_id': analysis['analysis_id'], 'object_type': 'Sample', 'object_id': sample.id,
                    'username': 'alice', 'api_key': KEY, 'md5': sample.md5, 'source': 'Internal',
                    'sources': ['Internal', 'Öffentlich'],
                },
            }), line)

    def test_url_of_crits(self):
        stored = config(crits_url='https://crits.example.org/')
        self.assertEqual(self.message(stored=stored)['crits_data']['crits_url'], 'https://crits.example.org')
        from django.conf import settings
        settings.INSTANCE_URL = 'https://other.example.org'
        try:
            self.assertEqual(self.message()['crits_data']['crits_url'], 'https://other.example.org')
        finally:
            settings.INSTANCE_URL = ''

    def test_large_samples_stay_in_crits(self):
        large = Sample(content=b'x' * (1024 * 1024 + 1))
        self.assertEqual(self.message(stored=config(inline_mib=1), sample=large)['file'], {'name': 'invoice.exe'})
        unknown = Sample(content=b'x' * (1024 * 1024 + 1))
        unknown.size = None
        self.assertEqual(self.message(stored=config(inline_mib=1), sample=unknown)['file'], {'name': 'invoice.exe'})
        self.assertEqual(self.message(stored=config(inline_mib=0))['file'], {'name': 'invoice.exe'})
        exact = Sample(content=b'x' * (1024 * 1024))
        self.assertIn('data', self.message(stored=config(inline_mib=1), sample=exact)['file'])

    def test_names_of_files(self):
        for name in ['a/b\\c"d\n\r\0%s{}.exe', 'Rechnung für Ωλ \U0001f600.exe', '../' * 50]:
            self.assertEqual(self.message(sample=Sample(name))['file']['name'], name)
        self.assertEqual(self.message(sample=Sample(b'caf\xe9.exe'))['file']['name'], 'caf\ufffd.exe')
        for nothing in ['', None]:
            sample = Sample(nothing)
            self.assertEqual(self.message(sample=sample)['file']['name'], sample.md5)

    def test_options_of_the_run(self):
        form = posted(queue='two', package=' exe ', timeout='120', options='free=yes,arguments=ä', machine='win7',
                      tags='x64,office', memory='on')
        stored = config(rabbit_key='one\r\n two \r\n\r\n')
        analysis = run(stored, form=form)
        exchange, key, sent = self.sent[-1]
        self.assertEqual((key, sent['payload']), ('two', {
            'package': 'exe', 'timeout': '120', 'options': 'free=yes,arguments=ä', 'machine': 'win7',
            'tags': 'x64,office', 'memory': 'true'}))
        self.assertIn('package: exe', log_of(analysis))
        run(stored, form=posted(queue='', package='', timeout='0'))
        self.assertEqual(self.sent[-1][1:], ('one', dict(self.sent[-1][2], payload={})))

    def test_sources_are_those_that_the_user_may_use(self):
        from crits.core.user import User2019
        user = User2019('alice', [Key(KEY)], {'Internal': False, 'Öffentlich': True})
        data = self.message(user=user)['crits_data']
        self.assertEqual((data['source'], data['sources']), ('Öffentlich', ['Öffentlich']))
        data = self.message(user=alice('2015', sources=['Öffentlich']))['crits_data']
        self.assertEqual((data['source'], data['sources']), ('Öffentlich', ['Öffentlich']))
        data = self.message(user=alice(sources=[]))['crits_data']
        self.assertEqual((data['source'], data['sources']), ('Internal', ['Internal']))

    def test_key_is_the_default_one_of_who_runs_it(self):
        keys = [Key('a' * 40), Key('b' * 40)]
        for line in ['2015', '2019']:
            data = self.message(user=alice(line, 'carol', keys))['crits_data']
            self.assertEqual((data['username'], data['api_key']), ('carol', 'a' * 40))


class RefusalTest(Taken):

    def refused(self, text, **args):
        analysis = run(config(), **args)
        self.assertEqual((self.sent, analysis['status']), ([], 'error'))
        self.assertIn(text, log_of(analysis))

    def test_user_without_key(self):
        self.refused('alice has no API key', user=alice(keys=[]))

    def test_user_whom_crits_api_does_not_take(self):
        for line in ['2015', '2019']:
            for name in ['a:b', 'jürgen']:
                self.refused('user names must be ASCII without ":"', user=alice(line, name))

    def test_user_who_is_gone(self):
        alice('2015')
        self.refused('CRITs has no user "dave"', user='dave')

    def test_sample_without_content(self):
        self.refused('CRITs has no content of this sample', sample=Sample(content=b''))

    def test_sample_with_other_content(self):
        sample = Sample()
        sample.md5 = '0' * 32
        self.refused('does not have the MD5', sample=sample)

    def test_sample_without_file(self):
        sample = Sample()
        sample.filedata.grid_id = None
        self.assertRaises(ServiceConfigError, CuckooDistributedService.valid_for, sample)

    def test_dropped_sample_in_triage(self):
        for line in ['2015', '2019']:
            dropped = Sample(method='File Upload - cuckoo_distributed')
            analysis = run(config(), dropped, alice(line), triage=True)
            self.assertEqual((self.sent, analysis['status']), ([], 'completed'))
            self.assertIn('run the service by hand', log_of(analysis))
            run(config(), dropped, alice(line))
            self.assertEqual(len(self.sent), 1)
            run(config(), Sample(), alice(line), triage=True)
            self.assertEqual(len(self.sent), 2)
            del self.sent[:]


class StatusTest(Taken):

    def test_is_started_until_the_pipeline_ends_it(self):
        analysis = run(config())
        self.assertEqual((analysis['status'], analysis['finish_date']), ('started', None))
        self.assertIn('Sending', log_of(analysis))

    def test_what_the_pipeline_writes_at_once_stays(self):
        from crits.services.analysis_result import AnalysisResult

        def publish(*_):
            AnalysisResult.stored[-1].update(results=['a row'], status='completed', log=['submitted'])
        publisher.publish = publish
        analysis = run(config())
        self.assertEqual((analysis['results'], analysis['status'], analysis['log']),
                         (['a row'], 'completed', ['submitted']))

    def test_what_is_not_sent_is_an_error(self):
        def publish(*_):
            raise publisher.NotSent('no queue "ä"')
        publisher.publish = publish
        analysis = run(config())
        self.assertEqual(analysis['status'], 'error')
        self.assertIn('Not sent: no queue "ä"', log_of(analysis))

    def test_what_is_unknown_says_so(self):
        def publish(*_):
            raise publisher.Unanswered('no answer')
        publisher.publish = publish
        analysis = run(config())
        self.assertEqual(analysis['status'], 'error')
        self.assertIn('Unknown whether it was sent: no answer', log_of(analysis))

    def test_what_is_unknown_takes_nothing_from_an_analysis_that_has_ended(self):
        from crits.services.analysis_result import AnalysisResult

        def publish(*_):
            AnalysisResult.stored[-1].update(results=['a row'], status='completed', log=[])
            raise publisher.Unanswered('no answer')
        publisher.publish = publish
        analysis = run(config())
        self.assertEqual((analysis['results'], analysis['status'], analysis['log']), (['a row'], 'completed', []))


if __name__ == '__main__':
    unittest.main()
