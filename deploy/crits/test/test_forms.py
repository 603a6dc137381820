# -*- coding: utf-8 -*-
"""Configuration, forms and the page of results."""
from __future__ import unicode_literals

import os
import unittest

from scene import AT_START, HAS_DJANGO, HAS_KOMBU, KEY, config, log_of, posted, run
from taken import Taken
from crits.services.core import ServiceConfigError
from cuckoo_distributed_service import CuckooDistributedService, message

needs_django = unittest.skipUnless(HAS_DJANGO, 'Django is not installed')


class ConfigTest(Taken):

    def test_nothing_of_the_service_is_stored_with_an_analysis(self):
        stored = config(rabbit_pw='s3cret')
        analysis = run(stored, form=posted(package='dll', memory='on'))
        self.assertEqual(dict((name, str(value)) for name, value in analysis['config'].items()),
                         {'package': 'dll', 'memory': 'True' if HAS_DJANGO else 'on'})
        self.assertNotIn('s3cret', repr(analysis) + log_of(analysis))
        self.assertNotIn(KEY, repr(analysis) + log_of(analysis))

    def test_configuration_of_the_go_suites_service_is_taken_over_without_its_key(self):
        old = {'rabbit_address': 'mq', 'rabbit_port': '5672', 'rabbit_user': 'u', 'rabbit_pw': 'p/#%@:ä',
               'rabbit_key': 'worker/feed_cuckoo', 'rabbit_exchange': 'samples', 'crits_api_key': KEY}
        stored = CuckooDistributedService.get_config(old)
        self.assertNotIn('crits_api_key', stored)
        if HAS_KOMBU:
            CuckooDistributedService.parse_config(stored)
        run(stored)
        self.assertEqual(self.sent[-1][:2], ('samples', 'worker/feed_cuckoo'))
        self.assertEqual(self.broker[-1], {'host': 'mq', 'port': 5672, 'user': 'u', 'password': 'p/#%@:ä',
                                           'vhost': '/', 'ca': ''})

    def test_fresh_one_is_incomplete_and_says_so(self):
        with self.assertRaises(ServiceConfigError) as caught:
            CuckooDistributedService.parse_config(CuckooDistributedService.get_config({}))
        self.assertIn('RabbitMQ host', str(caught.exception))

    def test_faults(self):
        for changes, text in [
                ({'rabbit_address': 'amqp://mq'}, 'host'), ({'rabbit_address': 'mq:5672'}, 'host'),
                ({'rabbit_port': 'x'}, 'port'), ({'rabbit_pw': ''}, 'password'), ({'rabbit_key': ' \n'}, 'queue'),
                ({'rabbit_key': 'q' * 256}, '255'), ({'rabbit_ssl': True, 'rabbit_ca': '/no/such/file'}, 'TLS'),
                ({'crits_url': 'crits.example.org'}, 'URL'), ({'crits_url': 'https://u:p@crits'}, 'URL')]:
            with self.assertRaises(ServiceConfigError) as caught:
                CuckooDistributedService.parse_config(config(**changes))
            self.assertIn(text, str(caught.exception))

    def test_password_is_shown_nowhere(self):
        details = CuckooDistributedService.get_config_details(config(rabbit_pw='s3cret'))
        self.assertEqual(details['RabbitMQ password'], '********')
        self.assertNotIn('s3cret', repr(details))

    @needs_django
    def test_password_is_kept_when_the_form_comes_back_without_it(self):
        stored = config(rabbit_pw='s3cret', rabbit_key='one\r\ntwo')
        form, html = CuckooDistributedService.generate_config_form(stored)
        self.assertIn('one\ntwo', html.replace('\r', ''))
        self.assertNotIn('s3cret', html)
        data = dict((name, value) for name, value in stored.items() if value not in (False, ''))
        for given, kept in [('', 's3cret'), (' new ', ' new ')]:
            bound = form(dict(data, rabbit_pw=given))
            self.assertTrue(bound.is_valid(), bound.errors)
            self.assertEqual(bound.cleaned_data['rabbit_pw'], kept)
            CuckooDistributedService.parse_config(bound.cleaned_data)


@needs_django
class FormTest(unittest.TestCase):

    def test_are_made_while_django_is_not_ready(self):
        stored, suffix = AT_START
        self.assertEqual((stored['rabbit_key'], suffix), ('worker/feed_cuckoo', ':'))

    def test_of_a_run(self):
        html = CuckooDistributedService.generate_runtime_form('alice', config(rabbit_key='a\n<b>'), 'Sample', '5')
        for text in ['value="a"', '&lt;b&gt;', 'name="package"', 'name="memory"', 'type="hidden"']:
            self.assertIn(text, html)

    def test_bad_values(self):
        for field, value in [('queue', 'é'), ('timeout', '-1'), ('timeout', 'x'), ('package', 'p' * 256)]:
            bound = CuckooDistributedService.bind_runtime_form('alice', dict(config(), **posted(**{field: value})))
            self.assertFalse(bound.is_valid())
            str(bound.errors)


@needs_django
class TemplateTest(unittest.TestCase):

    def render(self, results, status='completed'):
        from django.template.loader import render_to_string
        analysis = {'results': results, 'status': status}
        return render_to_string('cd_service_template.html', {'analysis': analysis})

    def test_without_results(self):
        self.assertIn('still running', self.render([], 'started'))
        self.assertIn('no results', self.render([]))

    def test_rows_are_linked_and_escaped(self):
        html = self.render([
            {'subtype': 'file', 'result': '<b>C:\\a&b "é'},
            {'subtype': 'file_added', 'result': 'x.exe', 'md5': 'ab' * 16},
            {'subtype': 'signature', 'result': 'writes', 'calls': [{'api': 'NtWriteFile', 'pid': 4}]}])
        self.assertNotIn('<b>', html)
        self.assertIn('/search/?search_type=global&amp;q=%3Cb%3EC%3A%5Ca%26b%20%22%C3%A9&amp;force_full=1', html)
        self.assertIn('&lt;b&gt;C:\\a&amp;b', html)
        self.assertIn('>%s<' % ('ab' * 16), html)
        self.assertIn('NtWriteFile', html)

    def test_api_calls_are_cut(self):
        html = self.render([{'subtype': 'api_call', 'result': 'Call%d' % n} for n in range(5000)])
        self.assertIn('The first 100 of 5000 API calls', html)
        self.assertIn('Call99<', html)
        self.assertNotIn('Call100', html)

    def test_uses_only_tags_of_every_django(self):
        folder = os.path.dirname(os.path.abspath(message.__file__))
        with open(os.path.join(folder, 'templates', CuckooDistributedService.template)) as file:
            text = file.read()
        self.assertNotIn('{% url', text)
        self.assertNotIn('from future', text)


if __name__ == '__main__':
    unittest.main()
