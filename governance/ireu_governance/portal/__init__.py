"""The portal: the service for people who do not write programs. Start at `ireu_governance.portal.app.create_portal`.

Pages are made on the server and work without JavaScript; every page has a twin that ends in ``.json``.
"""
