class settings(object):
    INSTANCE_URL = ''
