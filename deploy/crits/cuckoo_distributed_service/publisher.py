# -*- coding: utf-8 -*-
"""One message to RabbitMQ, confirmed, within a time. Knows nothing of CRITs; works with kombu 3 to 5."""
from __future__ import unicode_literals

import socket
import ssl
import threading

#: Python 2 does not name it.
TCP_USER_TIMEOUT = getattr(socket, 'TCP_USER_TIMEOUT', 18)


class NotSent(Exception):
    """The message is not in RabbitMQ; the text says why."""


class Unanswered(Exception):
    """RabbitMQ may have the message or not; the text says what happened."""


def publish(broker, exchange, routing_key, body, seconds):
    """
    Returns when RabbitMQ has confirmed that `body` lies in a queue. Raises NotSent and Unanswered, after `seconds` at
    the latest.

    - `broker`: host, port, user, password, vhost, and ca: a file with the authorities to trust for TLS, or '' for
      no TLS.
    """
    attempt = _Attempt(broker, exchange, routing_key, body, seconds)
    # No kombu has a time limit for all of name look-up, TLS and a write that the broker does not read, so a thread
    # waits in them, and this one only for the thread.
    thread = threading.Thread(target=attempt.run)
    thread.daemon = True
    thread.start()
    thread.join(seconds)
    error = attempt.end()
    # With its socket gone it ends at once, before the interpreter does.
    thread.join(1)
    if error is not None:
        raise error


class _Attempt(object):

    def __init__(self, broker, exchange, routing_key, body, seconds):
        self.broker = broker
        self.exchange = exchange
        self.routing_key = routing_key
        self.body = body
        self.seconds = seconds
        self._lock = threading.Lock()
        self._ended = False
        self._sending = False
        self._confirmed = False
        self._returned = None
        self._blocked = None
        self._error = None
        self._socket = None

    def run(self):
        try:
            self._publish()
        except NotSent as error:
            self._error = error
        except Exception as error:  # whatever kombu, amqp, ssl and the system raise: the text is for the analyst
            self._error = self._broken(error)

    def end(self):
        """What to raise; None when the message is confirmed. From now on the thread sends nothing."""
        with self._lock:
            self._ended = True
            if self._confirmed:
                return None
            if self._error is not None:
                return self._error
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except Exception:  # it is gone already, or the thread is closing it: either ends the thread
                    pass
            return self._silent()

    def _publish(self):
        from kombu import Exchange, Producer
        connection = _connection(self.broker, self.seconds, self._block)
        try:
            wire = connection.connect()
            self._socket = wire.sock
            _check_name(wire.sock, self.broker)
            channel = connection.channel()
            channel.confirm_select()
            channel.events['basic_ack'].add(self._ack)
            channel.events['basic_nack'].add(self._nack)
            with self._lock:
                if self._ended:
                    return
                self._sending = True
            try:
                # auto_declare off: a named exchange belongs to the administrator, and may be of any type.
                producer = Producer(channel, Exchange(self.exchange), auto_declare=False, on_return=self._return)
                producer.publish(self.body, routing_key=self.routing_key, mandatory=True,
                                 content_type='application/json', content_encoding='utf-8')
                while not self._confirmed:
                    connection.drain_events()
            except connection.channel_errors as error:
                if not error.reply_code:
                    raise
                # The broker has closed the channel, which it does instead of taking the message.
                raise NotSent(self._refusal(error))
        finally:
            _release(connection)

    def _ack(self, *_):
        if self._returned is not None:
            raise NotSent(self._returned)
        self._confirmed = True

    def _nack(self, *_):
        raise NotSent('RabbitMQ refused the message: the queue "%s" is full or not available' % self.routing_key)

    def _return(self, error, *_):
        # The acknowledgement follows; it only says that the broker is done with the message.
        self._returned = ('RabbitMQ has no queue for "%s"%s: start feed_cuckoo once, which declares its queue, or '
                          'correct the name in the configuration of this service' % (self.routing_key, self._where()))

    def _block(self, reason=''):
        self._blocked = text_of(reason)

    def _where(self):
        return ' behind the exchange "%s"' % self.exchange if self.exchange else ''

    def _refusal(self, error):
        told = 'RabbitMQ refused the message of %d bytes: %s' % (len(self.body), text_of(error))
        if 'larger than' in told:
            told += '; let samples of this size stay in CRITs (configuration of this service)'
        return told

    def _broken(self, error):
        what = '%s: %s' % (type(error).__name__, text_of(error))
        if self._sending:
            return Unanswered('the connection broke before RabbitMQ confirmed the message (%s)' % what)
        place = '%s:%s' % (self.broker['host'], self.broker['port'])
        if type(error).__name__ == 'AccessRefused':
            return NotSent('RabbitMQ at %s refuses the user or the password: %s' % (place, what))
        return NotSent('RabbitMQ at %s cannot be used: %s' % (place, what))

    def _silent(self):
        if not self._sending:
            return NotSent('RabbitMQ at %s:%s did not answer within %g seconds'
                           % (self.broker['host'], self.broker['port'], self.seconds))
        why = ', it is short of a resource (%s)' % self._blocked if self._blocked is not None else ''
        return Unanswered('RabbitMQ did not confirm the message within %g seconds%s' % (self.seconds, why))


def _connection(broker, seconds, on_blocked):
    from kombu import Connection
    # No URL: nothing to quote, and nothing to show a password in.
    return Connection(
        hostname=broker['host'], port=broker['port'], userid=broker['user'], password=broker['password'],
        virtual_host=broker['vhost'], ssl=_tls(broker), connect_timeout=seconds, transport='pyamqp',
        transport_options=dict(_wire_options(seconds), on_blocked=on_blocked))


def _wire_options(seconds):
    if _is_modern():
        # It gives up a connection that the broker does not read for 1 s.
        return {'socket_settings': {TCP_USER_TIMEOUT: int(seconds * 1000)}}
    # It does not say that it understands why a login is refused, so RabbitMQ would only hang up.
    return {'client_properties': {'capabilities': {'authentication_failure_close': True}}}


def _tls(broker):
    if not broker['ca']:
        return False
    if _is_modern():
        return {'server_hostname': broker['host'], 'context': {'cafile': broker['ca'], 'check_hostname': True}}
    return {'ca_certs': broker['ca'], 'cert_reqs': ssl.CERT_REQUIRED, 'ssl_version': ssl.PROTOCOL_SSLv23}


def _check_name(sock, broker):
    """amqp 1 trusts any name that an authority vouches for; it has the password by now, but gets no sample or key."""
    if broker['ca'] and not _is_modern():
        ssl.match_hostname(sock.getpeercert(), broker['host'])


def _is_modern():
    import amqp
    return int(amqp.__version__.split('.')[0]) >= 2


def _release(connection):
    try:
        connection.release()
    except Exception:  # a connection that is broken cannot say goodbye; what counts is known by now
        pass


def text_of(value):
    """Text of an error or of bytes, under Python 2 as well, where errors hold either."""
    if isinstance(value, bytes):
        return value.decode('utf-8', 'replace')
    try:
        return '%s' % (value,)
    except UnicodeError:
        return bytes(value).decode('utf-8', 'replace')
