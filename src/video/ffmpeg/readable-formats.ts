/**
 * The demuxers that may read an input, by FFmpeg's names: those that read one file and no other. Playlists
 * (`hls`, `dash`, `concat`, `imf`, `sdp`), name patterns (`image2`), scripts, devices and text drawn as video
 * (`tty`) are left out: they would make FFmpeg open other files. Audio and subtitle formats are in, so that
 * messages can name them.
 */
export const READABLE_FORMATS: readonly string[] = [
  'mov matroska webm avi asf asf_o flv live_flv kux mpegts mpegtsraw mpeg mpegvideo mxf gxf lxf nut ogg',
  'rm wtv nsv nuv dv pva ty pmp avs avs2 avs3 swf vivo filmstrip film_cpk ivf ivr obu av1 h261 h263 h264 hevc vvc',
  'evc m4v mjpeg mjpeg_2000 mpjpeg smjpeg vc1 vc1test dirac dnxhd cavsvideo yuv4mpegpipe apng gif',
  'jpegxl_anim bink smk roq flic idcin cdxl cine dhav ipu ser thp vmd wc3movie 4xm anm bethsoftvid bfi bmv c93 cdg',
  'dfa dsicin dxa ea ea_cdata frm gdv hnm iff ifv ingenient ipmovie iv8 jv lmlm4 lvf mgsts mm moflex msnwctcp mtv mv',
  'mvi mxg nc paf r3d redspark rl2 rpl sga siff tiertexseq tmv usm vividas xmv yop argo_brp sdr2 pdv',
  'bmp_pipe cri_pipe dds_pipe dpx_pipe exr_pipe gem_pipe gif_pipe hdr_pipe j2k_pipe jpeg_pipe jpegls_pipe jpegxl_pipe',
  'pam_pipe pbm_pipe pcx_pipe pfm_pipe pgm_pipe pgmyuv_pipe pgx_pipe phm_pipe photocd_pipe pictor_pipe png_pipe',
  'ppm_pipe psd_pipe qdraw_pipe qoi_pipe sgi_pipe sunrast_pipe tiff_pipe vbn_pipe webp_pipe xbm_pipe xpm_pipe xwd_pipe',
  'wav w64 aiff au caf mp3 aac ac3 eac3 flac dts dtshd truehd mlp tta wv ape amr voc oma ffmetadata srt ass webvtt sup',
].flatMap((line) => line.split(' '));
