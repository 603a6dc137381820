# -*- coding: utf-8 -*-
from __future__ import unicode_literals

from django import forms


class _Form(forms.Form):
    error_css_class = 'error'
    required_css_class = 'required'

    def __init__(self, *args, **kwargs):
        # Without it Django translates ":", and CRITs of 2019 asks for the fields before Django is ready for that.
        kwargs.setdefault('label_suffix', ':')
        super(_Form, self).__init__(*args, **kwargs)


class ConfigForm(_Form):
    rabbit_address = forms.CharField(
        label='RabbitMQ host', initial='', help_text='Name or address, such as 10.0.0.1')
    rabbit_port = forms.IntegerField(
        label='RabbitMQ port', initial=5672, min_value=1, max_value=65535, help_text='5672, or 5671 with TLS')
    rabbit_vhost = forms.CharField(label='RabbitMQ virtual host', initial='/')
    rabbit_user = forms.CharField(label='RabbitMQ user', initial='')
    rabbit_pw = forms.CharField(
        label='RabbitMQ password', initial='', required=False, widget=forms.PasswordInput(),
        help_text='Leave empty to keep the present one')
    rabbit_ssl = forms.BooleanField(label='TLS', initial=False, required=False)
    rabbit_ca = forms.CharField(
        label='Authorities for TLS', initial='/etc/ssl/certs/ca-certificates.crt', required=False,
        help_text='PEM file on this machine')
    rabbit_exchange = forms.CharField(
        label='RabbitMQ exchange', initial='', required=False, help_text='Usually empty: the default exchange')
    rabbit_key = forms.CharField(
        label='Queues', initial='worker/feed_cuckoo', widget=forms.Textarea(attrs={'cols': 40, 'rows': 3}),
        help_text='ConsumerQueue of feed_cuckoo (with an exchange: routing key). One a line: the analyst chooses, '
                  'the first is the default')
    crits_url = forms.CharField(
        label='URL of this CRITs', initial='', required=False,
        help_text='As the pipeline reaches it; empty: instance_url of the CRITs configuration')
    inline_mib = forms.IntegerField(
        label='Largest sample to send (MiB)', initial=11, min_value=0,
        help_text='Larger ones stay in CRITs, and feed_cuckoo fetches them; 0: all stay. RabbitMQ 4 takes 11, '
                  'RabbitMQ 3 takes 95')

    def __init__(self, *args, **kwargs):
        self._stored_password = kwargs.pop('stored_password', '')
        super(ConfigForm, self).__init__(*args, **kwargs)

    def clean_rabbit_pw(self):
        # As it was typed: newer Djangos strip a CharField.
        return self.data.get('rabbit_pw') or self._stored_password


class RunForm(_Form):
    queue = forms.ChoiceField(
        label='Queue', required=False, error_messages={'invalid_choice': 'This queue is not configured.'})
    package = forms.CharField(
        label='Package', required=False, max_length=255, help_text='Such as exe, dll, pdf; empty: the sandbox decides')
    timeout = forms.IntegerField(
        label='Timeout', required=False, min_value=0, max_value=86400,
        help_text="Seconds; empty or 0: the sandbox's own")
    options = forms.CharField(
        label='Options', required=False, max_length=255, help_text='Such as free=yes,procmemdump=yes')
    machine = forms.CharField(label='Machine', required=False, max_length=255, help_text='Empty: any')
    tags = forms.CharField(
        label='Machine tags', required=False, max_length=255, help_text='With commas between')
    memory = forms.BooleanField(label='Memory dump', required=False)
    by_hand = forms.CharField(required=False, initial='yes', widget=forms.HiddenInput())

    def __init__(self, *args, **kwargs):
        queues = kwargs.pop('queues')
        super(RunForm, self).__init__(*args, **kwargs)
        self.fields['queue'].choices = [(name, name) for name in queues]
