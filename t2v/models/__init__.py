"""The networks of StreamingT2V: the base UNet, its short-term (CAM) and long-term (APM) memory."""
