def render_to_string(name, context):
    raise NotImplementedError('this needs Django')
