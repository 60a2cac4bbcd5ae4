"""/gateway.do: from the parameters of a call to its signed answer.

call        read      address and body into one set of parameters
checks      check     method, app, public parameters, signature, permission, biz_content
methods     act       by the method's name; ``terms`` is what a merchant asks for a trade
answers     answer    a node, signed; for a browser's call the cashier, or a page of errors
views                 the four in this order, and the faults between them
"""
