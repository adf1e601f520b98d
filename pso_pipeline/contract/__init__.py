"""What the API, the warehouse and the marts promise about names, types and limits: data only.

Add here what two layers must agree on. Nothing here computes, connects or imports another layer.
"""
