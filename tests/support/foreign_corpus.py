"""Video files of other programs and the right answer for each; `docs/files.md` has this table."""

from fractions import Fraction

from tests.support.foreign_files import (
    BARE_HEADER,
    BLUE,
    CORNERS,
    FAST,
    GREEN,
    H264,
    HEIGHT,
    HEVC,
    PALETTE,
    RED,
    TONE,
    VP8,
    VP9,
    WIDTH,
    YELLOW,
    YUV420,
    ForeignFile,
    copied,
    cut,
    damaged,
    encoded,
    joined,
    renamed,
    run,
    spoilt,
    still,
    tagged,
    turned,
    two_streams,
    video_with_cover,
    with_cover,
    written,
)


UNEVEN = "setpts='if(lt(N,6),N/8,6/8+(N-6)/2)/TB'"
TWELVE_THIRTEEN = "settb=1/100,setpts=floor(N*25/2)"
TS = (*H264, "-f", "mpegts")
TURNED = (BLUE, RED, YELLOW, GREEN)  # a quarter to the right
GREYS = ((87, 87, 87), (131, 131, 131), (70, 70, 70), (189, 189, 189))  # of the corners, BT.601

FILES = (
    ForeignFile(name="h264.mp4", what="H.264 without colour tags", make=encoded(*H264)),
    ForeignFile(name="bt709.mp4", what="tagged BT.709", make=tagged("bt709", "bt709")),
    ForeignFile(name="bt601.mp4", what="tagged BT.601", make=tagged("bt601", "smpte170m")),
    ForeignFile(
        name="bt2020.mkv",
        what="BT.2020 matrix, 10 bit",
        make=tagged("bt2020", "bt2020nc", pixels="yuv420p10le"),
    ),
    ForeignFile(
        name="full-range.mp4",
        what="full range",
        make=encoded(
            "-vf",
            "scale=out_color_matrix=bt601:out_range=pc,format=yuv420p",
            *FAST,
            "-color_range",
            "pc",
        ),
    ),
    ForeignFile(
        name="pq.mp4",
        what="HDR10 (PQ)",
        make=encoded(
            "-vf",
            "scale=out_color_matrix=bt2020,format=yuv420p10le",
            *HEVC,
            "-colorspace",
            "bt2020nc",
            "-color_primaries",
            "bt2020",
            "-color_trc",
            "smpte2084",
        ),
        corners=None,
        numbers=(),
        says="has a high dynamic range (PQ)",
        encoder="libx265",
    ),
    ForeignFile(
        name="yuv444.mkv",
        what="every pixel with its colour",
        make=encoded("-vf", "scale=out_color_matrix=bt601,format=yuv444p", *FAST),
    ),
    ForeignFile(name="hevc.mp4", what="HEVC", make=encoded(*YUV420, *HEVC), encoder="libx265"),
    ForeignFile(name="vp8.webm", what="VP8", make=encoded(*VP8), encoder="libvpx"),
    ForeignFile(name="vp9.webm", what="VP9", make=encoded(*YUV420, *VP9), encoder="libvpx-vp9"),
    ForeignFile(
        name="vp9-alpha.webm",
        what="VP9 with transparency",
        make=encoded("-vf", "scale=out_color_matrix=bt601,format=yuva420p", *VP9),
        encoder="libvpx-vp9",
    ),
    ForeignFile(
        name="av1.mkv",
        what="AV1",
        make=encoded(*YUV420, "-c:v", "libaom-av1", "-cpu-used", "8", "-crf", "15"),
        encoder="libaom-av1",
    ),
    ForeignFile(
        name="mpeg4.avi", what="MPEG-4 in AVI", make=encoded(*YUV420, "-c:v", "mpeg4", "-q:v", "1")
    ),
    ForeignFile(
        name="b-frames.avi",
        what="H.264 with B-frames in AVI, which has no times",
        make=encoded(*YUV420, "-c:v", "libx264", "-bf", "2", "-crf", "10"),
    ),
    ForeignFile(
        name="mjpeg.mov",
        what="Motion JPEG in MOV",
        make=encoded("-c:v", "mjpeg", "-pix_fmt", "yuvj444p", "-q:v", "1"),
    ),
    ForeignFile(
        name="prores.mov",
        what="ProRes 422, 10 bit",
        make=encoded("-vf", "scale=out_color_matrix=bt601", "-c:v", "prores_ks"),
    ),
    ForeignFile(
        name="prores-alpha.mov",
        what="ProRes 4444 with transparency",
        make=encoded(
            "-vf",
            "scale=out_color_matrix=bt601",
            "-c:v",
            "prores_ks",
            "-profile:v",
            "4",
            "-pix_fmt",
            "yuva444p10le",
        ),
    ),
    ForeignFile(
        name="ffv1.mkv", what="RGB, lossless", make=encoded("-c:v", "ffv1", "-pix_fmt", "bgr0")
    ),
    ForeignFile(
        name="grey.mkv",
        what="grey",
        make=encoded("-c:v", "ffv1", "-pix_fmt", "gray"),
        corners=GREYS,
    ),
    ForeignFile(
        name="mpeg2.mpg",
        what="MPEG-2 at 25 a second",
        make=encoded(
            "-vf",
            "scale=out_color_matrix=bt601,settb=1/25,setpts=N",
            "-r",
            "25",
            "-c:v",
            "mpeg2video",
            "-q:v",
            "1",
        ),
        fps=Fraction(25),
    ),
    ForeignFile(
        name="flv1.flv", what="Flash video", make=encoded(*YUV420, "-c:v", "flv", "-q:v", "1")
    ),
    ForeignFile(
        name="wmv2.wmv", what="Windows Media", make=encoded(*YUV420, "-c:v", "wmv2", "-q:v", "1")
    ),
    ForeignFile(
        name="theora.ogv",
        what="Theora in Ogg",
        make=encoded(*YUV420, "-c:v", "libtheora", "-q:v", "10"),
        encoder="libtheora",
    ),
    ForeignFile(name="stream.ts", what="H.264 in a transport stream", make=encoded(*TS)),
    ForeignFile(
        name="fragmented.mp4",
        what="mp4 in fragments",
        make=encoded(*H264, "-g", "4", "-movflags", "frag_keyframe+empty_moov"),
    ),
    ForeignFile(
        name="uneven.gif",
        what="GIF of 12 and 13 hundredths of a second in turn",
        make=encoded("-filter_complex", f"{TWELVE_THIRTEEN},{PALETTE[1]}", "-vsync", "passthrough"),
    ),
    ForeignFile(
        name="animated.apng",
        what="animated PNG",
        make=encoded("-f", "apng", "-plays", "0"),
    ),
    ForeignFile(
        name="animated.webp",
        what="animated WebP, which ffmpeg does not decode",
        make=encoded("-c:v", "libwebp_anim", "-lossless", "1"),
        refused="has no frames that can be decoded",
        encoder="libwebp_anim",
    ),
    ForeignFile(
        name="rotated-90.mp4",
        what="to be turned a quarter to the right",
        make=turned(-90),
        size=(WIDTH, HEIGHT),
        corners=TURNED,
    ),
    ForeignFile(
        name="rotated-180.mp4",
        what="upside down",
        make=turned(180),
        corners=CORNERS[::-1],
    ),
    ForeignFile(
        name="rotated-270.mp4",
        what="to be turned a quarter to the left",
        make=turned(90),
        size=(WIDTH, HEIGHT),
        corners=TURNED[::-1],
    ),
    ForeignFile(
        name="flipped.mp4",
        what="mirrored, as front cameras write it",
        make=turned(0, mirrored=True),
        corners=(GREEN, RED, YELLOW, BLUE),
    ),
    ForeignFile(
        name="wide-pixels.mp4",
        what="pixels twice as wide as high",
        make=encoded(*H264, "-aspect", "8:3"),
        size=(HEIGHT, 2 * WIDTH),
    ),
    ForeignFile(
        name="high-pixels-rotated.mp4",
        what="pixels twice as high as wide, turned a quarter",
        make=turned(-90, shape=Fraction(1, 2)),
        size=(WIDTH, 2 * HEIGHT),
        corners=TURNED,
    ),
    ForeignFile(
        name="variable.mp4",
        what="6 frames at 1/8 s, then 6 at 1/2 s",
        make=encoded("-vf", f"{YUV420[1]},{UNEVEN}", "-vsync", "passthrough", *FAST, "-bf", "0"),
        numbers=(*range(6), *(number for number in range(6, 11) for _ in range(4)), 11),
        says="12 frames at uneven times",
    ),
    ForeignFile(
        name="odd.webm",
        what="63x47 pixels",
        make=encoded("-vf", "scale=out_color_matrix=bt601,format=yuv444p", *VP9, size=(47, 63)),
        size=(47, 63),
        encoder="libvpx-vp9",
    ),
    ForeignFile(
        name="portrait.mp4", what="portrait", make=encoded(*H264, size=(80, 48)), size=(80, 48)
    ),
    ForeignFile(name="one-frame.mp4", what="one frame", make=encoded(*H264, num=1), numbers=(0,)),
    ForeignFile(
        name="edit-list.mp4",
        what="an edit list that starts at the fifth frame",
        make=copied("-c", "copy", before=("-ss", "0.5")),
        numbers=tuple(range(4, 12)),
    ),
    ForeignFile(
        name="two-streams.mkv",
        what="two video streams, the second one the default",
        make=two_streams,
    ),
    ForeignFile(name="cover.mp4", what="a video with a cover", make=video_with_cover),
    ForeignFile(
        name="wrong-name.avi", what="an mp4 named .avi", make=renamed(".mp4", encoded(*H264))
    ),
    ForeignFile(
        name="clock-back.ts",
        what="two recordings in one file; the second one's clock starts anew",
        make=joined(encoded(*TS), encoded(*TS)),
        numbers=(*range(12), *range(12)),
        says="has timestamps that go backwards",
    ),
    ForeignFile(
        name="cut-index-first.mp4",
        what="cut at 60 %, index at the beginning",
        make=damaged(encoded(*H264, "-g", "1", "-movflags", "+faststart"), cut),
        says="of 12 frames could be read",
        is_part=True,
    ),
    ForeignFile(
        name="cut-index-last.mp4",
        what="cut at 60 %, index at the end",
        make=damaged(encoded(*H264, "-g", "1"), cut),
        refused="cannot be read as a video",
    ),
    ForeignFile(
        name="cut.webm",
        what="WebM cut at 60 %",
        make=damaged(encoded(*VP8, "-g", "1"), cut),
        says="of 12 frames could be read",
        is_part=True,
        encoder="libvpx",
    ),
    ForeignFile(
        name="cut.ts",
        what="a transport stream cut at 60 %",
        make=damaged(encoded(*TS, "-g", "1"), cut),
        says="is cut or damaged",
        is_part=True,
    ),
    ForeignFile(
        name="damaged.mp4",
        what="400 bad bytes in the middle",
        make=damaged(encoded(*H264, "-g", "1", "-movflags", "+faststart"), spoilt),
        corners=None,
        numbers=(),
        says="of 12 frames could be read",
    ),
    ForeignFile(
        name="damaged.gif",
        what="a GIF with 400 bad bytes in the middle",
        make=damaged(encoded(*PALETTE, "-gifflags", "0"), spoilt),
        corners=None,
        numbers=(),
        says="is cut or damaged",
    ),
    ForeignFile(
        name="size-changes.ts",
        what="pictures that change their size",
        make=joined(encoded(*TS), encoded(*TS, size=(80, 48))),
        refused="its pictures change their size from 64x48 to 48x80",
    ),
    ForeignFile(
        name="sound.mp4",
        what="sound only",
        make=lambda path: run(*TONE, str(path)),
        refused="is no video: it has no pictures",
    ),
    ForeignFile(
        name="sound-with-cover.m4a",
        what="sound with a cover",
        make=with_cover("-map", "0", "-map", "1", "-c:v", "copy"),
        refused="is no video: it has no pictures, only a cover",
    ),
    ForeignFile(
        name="picture.png", what="a picture", make=still, refused="is a picture, and no video"
    ),
    ForeignFile(
        name="picture.jpg", what="a picture", make=still, refused="is a picture, and no video"
    ),
    ForeignFile(
        name="huge.gif",
        what="60000x60000 pixels, as its header says",
        make=written(BARE_HEADER + b",\0\0\0\0\1\0\1\0\0\2\1\0\0;"),
        refused="has no frames that can be decoded",
    ),
    ForeignFile(
        name="long.mkv",
        what="20000x16 pixels",
        make=encoded("-c:v", "ffv1", size=(16, 20000), num=1),
        refused="must have sides of at most 16384 pixels",
    ),
    ForeignFile(
        name="empty.mp4", what="no bytes", make=written(b""), refused="cannot be read as a video"
    ),
    ForeignFile(
        name="text.mp4",
        what="text",
        make=written(b"a red star moving left\n" * 99),
        refused="cannot be read as a video",
    ),
    ForeignFile(
        name="header.mp4",
        what="the first 700 bytes of an mp4",
        make=damaged(encoded(*H264, "-movflags", "+faststart"), lambda content: content[:700]),
        refused="cannot be read as a video",
    ),
)
